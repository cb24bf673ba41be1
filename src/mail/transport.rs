//! How a message leaves: SMTP, a file, or (in tests, `replay` and `demo`) memory.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use lettre::Message;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use url::Url;

use super::compose;
use super::smtp::{Failure, Pool, Server};
use crate::config::Config;
use crate::store::outbox::Claimed;

/// How long a server may take to be taken leave of.
const HANG_UP_WITHIN: Duration = Duration::from_secs(1);
/// Words with which a server that gives no enhanced code refuses us and not the recipient: which command it
/// answers, the SMTP client does not say.
const ABOUT_US: [&str; 8] = ["sender", "mail from", "relay", "policy", "spam", "block", "reputation", "authenticat"];

/// Words with which such a server names the recipient as what it refuses, and not the message.
const ABOUT_THE_RECIPIENT: [&str; 6] = ["user", "mailbox", "recipient", "account", "address", "inbox"];

/// Sends messages.
#[derive(Clone, Debug)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum Transport {
    Smtp(Arc<Pool>),
    Directory(PathBuf),
    Memory(Outlet),
}

/// Where a mailer in memory puts what it sends: mail and message.
pub type Outlet = Arc<Mutex<Vec<(Claimed, Vec<u8>)>>>;

/// Why a mail was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Error {
    /// What the server or the system said.
    pub reason: String,
    /// Whether another attempt would end the same.
    pub permanent: bool,
    /// Whether any other mail to the recipient would end the same: the server knows nobody at the address.
    pub is_bounce: bool,
}

impl Error {
    fn transient(reason: String) -> Self {
        Self { reason, permanent: false, is_bounce: false }
    }

    fn permanent(reason: String) -> Self {
        Self { reason, permanent: true, is_bounce: false }
    }
}

impl Mailer {
    /// Makes the mailer that the configuration asks for.
    ///
    /// # Errors
    /// When the sender, the server's address or the CA cannot be used.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let transport = match &config.mail.smtp_url {
            Some(url) => Transport::Smtp(Arc::new(Pool::new(server(url.expose_secret(), config)?))),
            None => Transport::Directory(config.mail_directory()),
        };
        let timeout = Duration::from_secs(config.mail.timeout_seconds);
        Ok(Self { from: compose::mailbox(&config.mail.from)?, transport, timeout })
    }

    /// Makes a mailer that keeps what it sends.
    ///
    /// # Errors
    /// When the sender cannot be used.
    pub fn in_memory(config: &Config, outlet: Outlet) -> anyhow::Result<Self> {
        let timeout = Duration::from_secs(config.mail.timeout_seconds);
        Ok(Self { from: compose::mailbox(&config.mail.from)?, transport: Transport::Memory(outlet), timeout })
    }

    /// Where mails go, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.transport {
            Transport::Smtp(_) => "SMTP".to_owned(),
            Transport::Directory(directory) => format!("files in {}", directory.display()),
            Transport::Memory(_) => "memory".to_owned(),
        }
    }

    /// Delivers a mail. The time limit is ours: the SMTP client's own covers the connecting alone.
    ///
    /// # Errors
    /// Says whether another attempt may succeed.
    pub async fn deliver(&self, claimed: &Claimed) -> Result<(), Error> {
        let message = compose::message(claimed, &self.from).map_err(|error| Error::permanent(error.to_string()))?;
        let late = || Error::transient(format!("no answer within {} s", self.timeout.as_secs()));
        tokio::time::timeout(self.timeout, self.send(claimed, message)).await.unwrap_or_else(|_| Err(late()))
    }

    /// Tries whether mails could leave, and sends none.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn probe(&self) -> Result<(), Error> {
        match &self.transport {
            Transport::Smtp(pool) => pool.probe().await.map_err(|failure| classify(&failure, "")),
            Transport::Directory(directory) => {
                let there = directory.ancestors().find(|folder| folder.exists()).unwrap_or(directory);
                let tried = tempfile::tempfile_in(there).map(drop);
                tried.map_err(|error| Error::transient(format!("{}: {error}", there.display())))
            }
            Transport::Memory(_) => Ok(()),
        }
    }

    /// Closes the connections that no delivery uses.
    pub async fn hang_up(&self) {
        if let Transport::Smtp(pool) = &self.transport {
            // Who does not even answer to this is left alone.
            tokio::time::timeout(HANG_UP_WITHIN, pool.hang_up()).await.ok();
        }
    }

    async fn send(&self, claimed: &Claimed, message: Message) -> Result<(), Error> {
        match &self.transport {
            Transport::Smtp(pool) => {
                pool.send(&message).await.map_err(|failure| classify(&failure, &claimed.mail.recipient))
            }
            Transport::Directory(directory) => {
                let name = format!("{:08}-{}.eml", claimed.id, claimed.mail.kind);
                let written = write_whole(directory, &name, &message.formatted()).await;
                written.map_err(|error| Error::transient(format!("{}: {error}", directory.display())))
            }
            Transport::Memory(outlet) => {
                let sent = (claimed.clone(), message.formatted());
                outlet.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
                Ok(())
            }
        }
    }
}

/// The server that an address names: `smtp[s]://[USER:PASSWORD@]HOST[:PORT][/NAME][?tls=required|opportunistic]`.
fn server(url: &str, config: &Config) -> anyhow::Result<Server> {
    let parsed = Url::parse(url).context("mail.smtp_url cannot be read")?;
    let tls = match &config.mail.smtp_ca_file {
        Some(file) => tls_by(file, &parsed)?,
        None => default_tls(&parsed)?.map_or_else(|| said_tls(&parsed), Ok)?,
    };
    let usual_port = match parsed.scheme() {
        "smtps" => SUBMISSIONS_PORT,
        _ if tls_word(&parsed).is_some() => SUBMISSION_PORT,
        _ => SMTP_PORT,
    };
    let name = parsed.path().trim_matches('/');
    let decoded = |text| percent_decode_str(text).decode_utf8().map(String::from).context("mail.smtp_url: the login");
    let login = parsed.password().map(|password| anyhow::Ok((decoded(parsed.username())?, decoded(password)?)));
    Ok(Server {
        host: parsed.host_str().context("mail.smtp_url names no host")?.to_owned(),
        port: parsed.port().unwrap_or(usual_port),
        hello: if name.is_empty() { ClientId::default() } else { ClientId::Domain(name.to_owned()) },
        tls,
        credentials: login.transpose()?.map(Credentials::from),
    })
}

/// What the address says of TLS.
fn said_tls(url: &Url) -> anyhow::Result<Tls> {
    let parameters = || TlsParameters::new(host(url)).context("mail.smtp_url: TLS");
    match (url.scheme(), tls_word(url).as_deref()) {
        ("smtps", _) => Ok(Tls::Wrapper(parameters()?)),
        ("smtp", None) => Ok(Tls::None),
        ("smtp", Some("required")) => Ok(Tls::Required(parameters()?)),
        ("smtp", Some("opportunistic")) => Ok(Tls::Opportunistic(parameters()?)),
        ("smtp", Some(other)) => anyhow::bail!("mail.smtp_url: tls={other} is neither required nor opportunistic"),
        (scheme, _) => anyhow::bail!("mail.smtp_url cannot be used: {scheme} is neither smtp nor smtps"),
    }
}

fn tls_word(url: &Url) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == "tls").map(|(_, word)| word.into_owned())
}

/// TLS with a server whose certificate a CA of one's own has signed.
fn tls_by(file: &Path, url: &Url) -> anyhow::Result<Tls> {
    let place = || format!("mail.smtp_ca_file: {}", file.display());
    let ca = Certificate::from_pem(&std::fs::read(file).with_context(place)?).with_context(place)?;
    let parameters = TlsParameters::builder(host(url)).add_root_certificate(ca).build().with_context(place)?;
    Ok(if url.scheme() == "smtps" { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

/// What holds when the address leaves TLS open: a password never travels in clear, and neither does a mail when the
/// server can do better. As between mail servers, that only shuts out those who listen: no certificate is asked for.
fn default_tls(url: &Url) -> anyhow::Result<Option<Tls>> {
    let is_said = url.scheme() != "smtp" || tls_word(url).is_some();
    if is_said || is_loopback(&host(url)) {
        return Ok(None);
    }
    let parameters = TlsParameters::builder(host(url));
    if url.password().is_some() {
        return Ok(Some(Tls::Required(parameters.build().context("mail.smtp_url: TLS")?)));
    }
    let parameters = parameters.dangerous_accept_invalid_certs(true).build().context("mail.smtp_url: TLS")?;
    Ok(Some(Tls::Opportunistic(parameters)))
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A refusal of the mail is permanent; a refusal of us, of the moment or of the network is not.
fn classify(failure: &Failure, recipient: &str) -> Error {
    let mut reason = failure.to_string();
    let mut cause: &dyn std::error::Error = failure;
    while let Some(source) = cause.source() {
        let text = source.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = source;
    }
    let (permanent, is_bounce) = match failure {
        Failure::Connect(_) => (false, false),
        Failure::Smtp(error) => {
            let holds = |test: fn(u16, &str) -> bool| error.status().is_some_and(|code| test(code.into(), &reason));
            (holds(is_about_the_mail), holds(is_about_the_recipient))
        }
        Failure::Ascii => {
            reason = format!("{reason}: {recipient:?}");
            (true, false)
        }
    };
    Error { reason, permanent, is_bounce }
}

/// Whether a reply refuses this recipient or this mail for good. All else (policy, a full mailbox, the sender) may
/// be mended while the mail waits.
fn is_about_the_mail(code: u16, reply: &str) -> bool {
    match (code, enhanced(reply)) {
        // 5.1.7 and 5.1.8 are about the sender's address.
        (500..600, Some((1, detail))) => !matches!(detail, 7 | 8),
        (500..600, Some((2, 1))) | (552 | 554, Some((3, 4) | (6, _))) => true,
        (550 | 551 | 553, None) => {
            let reply = reply.to_lowercase();
            !ABOUT_US.iter().any(|word| reply.contains(word))
        }
        _ => false,
    }
}

/// Whether a reply says that nobody is at the address: as codes do, or, where the server gives none, in words.
fn is_about_the_recipient(code: u16, reply: &str) -> bool {
    let about_the_mail = is_about_the_mail(code, reply);
    match enhanced(reply) {
        Some((1, _) | (2, 1)) => about_the_mail,
        Some(_) => false,
        None => {
            let reply = reply.to_lowercase();
            about_the_mail && ABOUT_THE_RECIPIENT.iter().any(|word| reply.contains(word))
        }
    }
}

/// Subject and detail of an enhanced status code (RFC 3463), such as those of `5.1.1`.
fn enhanced(reply: &str) -> Option<(u16, u16)> {
    let mut words = reply.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.find_map(|word| match word.split('.').collect::<Vec<_>>().as_slice() {
        ["5", subject, detail] => Some((subject.parse().ok()?, detail.parse().ok()?)),
        _ => None,
    })
}

/// Writes a file that is there whole or not at all, also after a crash.
async fn write_whole(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    tokio::fs::create_dir_all(directory).await?;
    let (partial, whole) = (directory.join(format!(".{name}.part")), directory.join(name));
    let mut file = tokio::fs::File::create(&partial).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(partial, whole).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_travels_in_clear_to_nobody_else() {
        let tls = |url: &str| match default_tls(&Url::parse(url).unwrap()).unwrap() {
            None => "as it says",
            Some(Tls::Required(_)) => "required",
            Some(Tls::Opportunistic(_)) => "opportunistic",
            Some(_) => "else",
        };
        for (url, expected) in [
            ("smtp://u:p@mail.example.org", "required"),
            ("smtp://u:p@192.0.2.1:25", "required"),
            ("smtp://mail.example.org", "opportunistic"),
            ("smtp://u:p@mail.example.org?tls=opportunistic", "as it says"),
            ("smtps://u:p@mail.example.org", "as it says"),
            ("smtp://u:p@127.0.0.1:1025", "as it says"),
            ("smtp://u:p@[::1]:1025", "as it says"),
            ("smtp://localhost", "as it says"),
        ] {
            assert_eq!(tls(url), expected, "{url}");
        }
    }

    #[test]
    fn an_address_names_host_port_name_and_login() {
        let check = |url: &str, host: &str, port: u16, login: Option<(&str, &str)>| {
            let server = server(url, &Config::default()).unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port), "{url}");
            let login = login.map(|(user, password)| Credentials::new(user.to_owned(), password.to_owned()));
            assert_eq!(server.credentials, login, "{url}");
        };
        check("smtp://mail.example.org", "mail.example.org", 25, None);
        check("smtp://mail.example.org?tls=required", "mail.example.org", 587, None);
        check("smtps://u%40x:p%2Fw@mail.example.org/me", "mail.example.org", 465, Some(("u@x", "p/w")));
        check("smtp://u:p@127.0.0.1:1025", "127.0.0.1", 1025, Some(("u", "p")));
        for wrong in ["smtp:", "http://mail.example.org", "smtp://mail.example.org?tls=perhaps", "mail.example.org"] {
            assert!(server(wrong, &Config::default()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_set_up_is_named() {
        let mut config = Config::default();
        config.mail.smtp_url = Some("smtp://mail.example.org".into());
        config.mail.smtp_ca_file = Some("/nowhere/ca.pem".into());
        let error = format!("{:#}", Mailer::new(&config).unwrap_err());
        assert!(error.starts_with("mail.smtp_ca_file: /nowhere/ca.pem: "), "{error}");
    }

    #[test]
    fn only_a_refusal_of_the_recipient_or_the_mail_is_for_good() {
        for (code, reply) in [
            (550, "5.1.1 no such user"),
            (550, "5.1.10 null MX"),
            (550, "5.2.1 disabled"),
            (550, "no such user"),
            (551, "user not local"),
            (552, "5.3.4 message too big"),
            (554, "5.6.0 bad content"),
        ] {
            assert!(is_about_the_mail(code, reply), "{code} {reply}");
        }
        for (code, reply, expected) in [
            (550, "5.1.1 no such user", true),
            (550, "5.1.10 null MX", true),
            (550, "5.2.1 disabled", true),
            (550, "No such user here", true),
            (551, "user not local", true),
            (550, "message rejected", false),
            (552, "5.3.4 message too big", false),
            (554, "5.6.0 bad content", false),
            (550, "5.1.8 sender address rejected", false),
            (550, "5.7.1 recipient address rejected: policy", false),
            (450, "4.2.0 user unknown for now", false),
        ] {
            assert_eq!(is_about_the_recipient(code, reply), expected, "{code} {reply}");
        }
        for (code, reply) in [
            (550, "5.7.1 policy"),
            (554, "5.7.26 unauthenticated mail"),
            (552, "5.2.2 mailbox full"),
            (552, "too much"),
            (553, "5.1.8 your domain does not exist"),
            (550, "Sender verify failed"),
            (550, "relay not permitted"),
            (530, "authentication required"),
            (554, "no"),
            (451, "5.1.1 odd"),
        ] {
            assert!(!is_about_the_mail(code, reply), "{code} {reply}");
        }
    }
}
