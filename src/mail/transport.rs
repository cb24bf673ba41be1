//! How a message leaves: SMTP, a file, or (in tests, `replay` and `demo`) memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::response::{Code, Severity};
use lettre::transport::smtp::{AsyncSmtpTransportBuilder, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;

use super::compose;
use crate::config::Config;
use crate::store::outbox::Claimed;

/// A connection that was idle for longer is not used again; servers close theirs after five minutes.
const IDLE_MAX: Duration = Duration::from_mins(1);
/// Replies with which a server refuses us and not the mail: commands, authentication, service.
const ABOUT_US: [u16; 9] = [500, 502, 503, 504, 521, 530, 534, 535, 538];

/// Sends messages.
#[derive(Clone, Debug)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum Transport {
    Smtp(Smtp),
    Directory(PathBuf),
    Memory(Outlet),
}

/// Connections to an SMTP server.
#[derive(Clone, Debug)]
struct Smtp {
    builder: AsyncSmtpTransportBuilder,
    pool: Arc<RwLock<AsyncSmtpTransport<Tokio1Executor>>>,
}

impl Smtp {
    fn new(builder: AsyncSmtpTransportBuilder) -> Self {
        let pool = Arc::new(RwLock::new(builder.clone().build()));
        Self { builder, pool }
    }

    fn pool(&self) -> AsyncSmtpTransport<Tokio1Executor> {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives up all idle connections. A delivery that was dropped half way leaves its connection among them, and
    /// whoever takes it next would wait for the same silent server.
    fn begin_anew(&self) {
        *self.pool.write().unwrap_or_else(PoisonError::into_inner) = self.builder.clone().build();
    }
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
}

impl Mailer {
    /// Makes the mailer that the configuration asks for.
    ///
    /// # Errors
    /// When the sender, the server's address or the CA cannot be used.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let transport = match &config.mail.smtp_url {
            Some(url) => Transport::Smtp(smtp(url.expose_secret(), config)?),
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
        let message = compose::message(claimed, &self.from)
            .map_err(|error| Error { reason: error.to_string(), permanent: true })?;
        if let Ok(result) = tokio::time::timeout(self.timeout, self.send(claimed, message)).await {
            result
        } else {
            if let Transport::Smtp(smtp) = &self.transport {
                smtp.begin_anew();
            }
            Err(Error { reason: format!("no answer within {} s", self.timeout.as_secs()), permanent: false })
        }
    }

    async fn send(&self, claimed: &Claimed, message: Message) -> Result<(), Error> {
        match &self.transport {
            Transport::Smtp(smtp) => smtp.pool().send(message).await.map(drop).map_err(|error| classify(&error)),
            Transport::Directory(directory) => {
                let name = format!("{:08}-{}.eml", claimed.id, claimed.mail.kind);
                let written = write_whole(directory, &name, &message.formatted()).await;
                written.map_err(|error| Error { reason: format!("{}: {error}", directory.display()), permanent: false })
            }
            Transport::Memory(outlet) => {
                let sent = (claimed.clone(), message.formatted());
                outlet.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
                Ok(())
            }
        }
    }
}

fn smtp(url: &str, config: &Config) -> anyhow::Result<Smtp> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?
        .timeout(Some(Duration::from_secs(config.mail.timeout_seconds)))
        .pool_config(PoolConfig::new().max_size(config.mail.connections).idle_timeout(IDLE_MAX));
    if let Some(file) = &config.mail.smtp_ca_file {
        let host = url::Url::parse(url)?.host_str().unwrap_or_default().to_owned();
        let ca = Certificate::from_pem(&std::fs::read(file)?)?;
        let parameters = TlsParameters::builder(host).add_root_certificate(ca).build()?;
        let wrapped = url.starts_with("smtps:");
        builder = builder.tls(if wrapped { Tls::Wrapper(parameters) } else { Tls::Required(parameters) });
    }
    Ok(Smtp::new(builder))
}

/// A refusal of the mail is permanent; a refusal of us, of the moment or of the network is not.
fn classify(error: &lettre::transport::smtp::Error) -> Error {
    let permanent = error.is_permanent() && error.status().is_some_and(is_about_the_mail);
    let mut reason = error.to_string();
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        let text = source.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = source;
    }
    Error { reason, permanent }
}

fn is_about_the_mail(code: Code) -> bool {
    code.severity == Severity::PermanentNegativeCompletion && !ABOUT_US.contains(&code.into())
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
