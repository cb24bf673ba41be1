//! Connections to an SMTP server, each used for many mails while there are some.
//!
//! A mail takes two turns where the server allows it: sender, recipient and the wish to send travel together (RFC 2920),
//! and then the mail.

mod stream;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use lettre::Message;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;

use self::stream::Gathering;

/// Where mails are handed over, and how.
pub(super) struct Server {
    /// A name or an address.
    pub(super) host: String,
    pub(super) port: u16,
    /// What we call ourselves.
    pub(super) hello: ClientId,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
}

/// Why a mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server cannot be reached.
    #[error("no connection")]
    Connect(#[from] std::io::Error),
    /// The server refuses, or the conversation broke off.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    /// An address has letters beyond ASCII.
    #[error("the mail server takes no letters beyond ASCII in an address")]
    Ascii,
}

/// The connections to a server that are not in use. Who drops a delivery half way closes its connection.
pub(super) struct Pool {
    server: Server,
    idle: Mutex<Vec<Connection>>,
}

/// One that is ready for a mail.
struct Connection {
    smtp: AsyncSmtpConnection,
    /// The server reads on before it has answered.
    pipelines: bool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("host", &self.server.host).field("port", &self.server.port).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(server: Server) -> Self {
        Self { server, idle: Mutex::default() }
    }

    /// Hands a mail over.
    pub(super) async fn send(&self, message: &Message) -> Result<(), Failure> {
        let bytes = message.formatted();
        let mut connection = self.begin(message, &bytes).await?;
        match hand_over(&mut connection, message, &bytes).await {
            Ok(()) => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                Ok(())
            }
            Err(error) => {
                connection.close().await;
                Err(error.into())
            }
        }
    }

    /// Greets the server, logs in, and takes leave.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        let answered = connection.smtp.command(Noop).await;
        connection.smtp.abort().await;
        answered?;
        Ok(())
    }

    /// Takes leave of the server.
    pub(super) async fn hang_up(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for mut connection in idle {
            connection.smtp.abort().await;
        }
    }

    /// A connection on which the server has taken the sender. One that was used before may have been closed since:
    /// nothing of this mail has been handed over then, so another is as good.
    async fn begin(&self, message: &Message, bytes: &[u8]) -> Result<Connection, Failure> {
        loop {
            let used = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = used else { break };
            if connection.smtp.command(opening(&connection, message, bytes)?).await.is_ok() {
                return Ok(connection);
            }
        }
        let mut connection = self.connect().await?;
        connection.smtp.command(opening(&connection, message, bytes)?).await?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let Server { host, port, hello, tls, credentials } = &self.server;
        let address = (host.trim_matches(['[', ']']), *port);
        let mut smtp = if let Tls::Wrapper(parameters) = tls {
            // Only the client itself can begin with TLS.
            AsyncSmtpConnection::connect_tokio1(address, None, hello, Some(parameters.clone()), None).await?
        } else {
            let stream = Gathering::connect(address).await?;
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello).await?
        };
        match tls {
            Tls::Opportunistic(parameters) if smtp.can_starttls() => {
                smtp.starttls(parameters.clone(), hello).await?;
            }
            Tls::Required(parameters) => smtp.starttls(parameters.clone(), hello).await?,
            Tls::None | Tls::Opportunistic(_) | Tls::Wrapper(_) => {}
        }
        // Of what the server offers, the client keeps only what it uses itself.
        let offers = smtp.command(Ehlo::new(hello.clone())).await;
        let pipelines =
            offers.is_ok_and(|offers| offers.message().any(|offer| offer.eq_ignore_ascii_case("PIPELINING")));
        if let Some(credentials) = credentials {
            smtp.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(Connection { smtp, pipelines })
    }
}

impl Connection {
    /// The answer to a command, which went ahead where the server pipelines.
    async fn answer(&mut self, command: impl fmt::Display) -> Result<Response, SmtpError> {
        if self.pipelines { self.smtp.read_response().await } else { self.smtp.command(command).await }
    }

    /// Takes leave, unless the server may be waiting for a mail, whose beginning that would be.
    async fn close(mut self) {
        if !self.pipelines {
            self.smtp.abort().await;
        }
    }
}

/// What begins a mail, as far as it travels before the first answer.
fn opening(connection: &Connection, message: &Message, bytes: &[u8]) -> Result<String, Failure> {
    let mut commands = mail(&connection.smtp, message, bytes)?.to_string();
    if connection.pipelines {
        for recipient in message.envelope().to() {
            commands += &Rcpt::new(recipient.clone(), Vec::new()).to_string();
        }
        commands += &Data.to_string();
    }
    Ok(commands)
}

/// The command that begins a mail, which asks for what the mail needs.
fn mail(connection: &AsyncSmtpConnection, message: &Message, bytes: &[u8]) -> Result<Mail, Failure> {
    let (envelope, server) = (message.envelope(), connection.server_info());
    let mut addresses = envelope.to().iter().chain(envelope.from());
    let mut parameters = Vec::new();
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(Failure::Ascii);
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !bytes.is_ascii() && server.supports_feature(Extension::EightBitMime) {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(Mail::new(envelope.from().cloned(), parameters))
}

/// Goes on behind the answer to the sender.
async fn hand_over(connection: &mut Connection, message: &Message, bytes: &[u8]) -> Result<(), SmtpError> {
    for recipient in message.envelope().to() {
        connection.answer(Rcpt::new(recipient.clone(), Vec::new())).await?;
    }
    connection.answer(Data).await?;
    connection.smtp.message(bytes).await.map(drop)
}
