//! How an execution ended, as a closed set that metrics, rules and the API share.

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal $($detail:literal)?,)*) => {
        /// How an execution ended. The codes are what the store keeps: they never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Outcome { $($(#[$doc])* $variant = $code,)* }

        impl Outcome {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, without the detail.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What distinguishes it among those of the same name.
            #[must_use]
            pub fn detail(self) -> Option<&'static str> {
                match self { $(Self::$variant => outcomes!(@detail $($detail)?),)* }
            }

            /// What the store keeps.
            #[must_use]
            pub fn code(self) -> i64 {
                self as i64
            }

            /// The outcome of a stored code; `None` for one of a newer version.
            #[must_use]
            pub fn from_code(code: i64) -> Option<Self> {
                Self::ALL.iter().copied().find(|outcome| outcome.code() == code)
            }
        }
    };
    (@detail) => { None };
    (@detail $detail:literal) => { Some($detail) };
}

outcomes! {
    /// It gave what was asked for.
    Success = 0 "success",
    /// 429 of the account or key.
    RateLimitedAccount = 10 "rate_limited" "account",
    /// 429 of the provider behind OpenRouter.
    RateLimitedUpstream = 11 "rate_limited" "upstream",
    /// 429 of the free models' daily or minutely allowance.
    RateLimitedFreeTier = 12 "rate_limited" "free_tier",
    /// 402: the account's balance is used up.
    NoBalance = 20 "out_of_credit" "balance",
    /// The key's own limit is used up.
    KeyLimit = 21 "out_of_credit" "key_limit",
    /// The workspace's budget is used up.
    WorkspaceBudget = 22 "out_of_credit" "workspace_budget",
    /// 402: this one request could cost more than is left.
    TooLarge = 23 "out_of_credit" "too_large",
    /// 402 that passes when requests in flight settle.
    InFlight = 24 "out_of_credit" "in_flight",
    /// The model is withdrawn.
    ModelDeprecated = 30 "model_unavailable" "deprecated",
    /// There is no such model.
    ModelNotFound = 31 "model_unavailable" "not_found",
    /// Nobody serves the model under the conditions asked for.
    NoEndpoints = 32 "model_unavailable" "no_endpoints",
    /// The free variant ended.
    FreeEnded = 33 "model_unavailable" "free_ended",
    /// The model is away for a while.
    ModelAway = 34 "model_unavailable" "temporary",
    /// The input or the output was flagged.
    Moderated = 40 "moderated",
    /// The key is missing, wrong, disabled or expired.
    Unauthorized = 50 "unauthorized",
    /// Not in this region.
    ForbiddenRegion = 60 "forbidden" "region",
    /// A guardrail blocked it.
    ForbiddenGuardrail = 61 "forbidden" "guardrail",
    /// The data policy or privacy settings leave no provider.
    ForbiddenPrivacy = 62 "forbidden" "privacy",
    /// Another 403.
    Forbidden = 63 "forbidden" "other",
    /// The request itself is wrong: malformed, too long, unsupported.
    InvalidRequest = 70 "invalid_request",
    /// No answer in time.
    Timeout = 80 "timeout",
    /// The provider failed.
    UpstreamError = 81 "upstream_error",
    /// The provider has no capacity (529, 503).
    Overloaded = 82 "overloaded",
    /// The stream broke off with an error.
    StreamError = 83 "stream_error",
    /// The client went away.
    Cancelled = 90 "cancelled",
    /// The platform could not use what came (`output_valid: false`).
    BadOutput = 91 "bad_output",
    /// Nobody here knows what it means.
    Unknown = 99 "unknown",
}

impl Outcome {
    /// Whether the model was not there for it.
    #[must_use]
    pub fn is_unavailable(self) -> bool {
        self.name() == Self::ModelNotFound.name()
    }
}

/// Who can mend a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// The user: credit, key, request.
    User,
    /// Time: it may work later.
    Transient,
    /// Nobody soon: another model or another request is needed.
    Fatal,
}

impl Category {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Transient => "transient",
            Self::Fatal => "fatal",
        }
    }
}
