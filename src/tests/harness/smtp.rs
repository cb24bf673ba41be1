//! An SMTP server that takes mails, or fails as it is told to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What the server does with the next mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers this at the recipient.
    Rcpt(&'static str),
    /// Answers this at the end of the data.
    Data(&'static str),
    /// Takes the data and says nothing more.
    Hang,
    /// Takes the mail and closes the connection before it says so.
    AcceptAndClose,
    /// Takes the mail, says so and closes the connection.
    Leave,
}

/// The server; it ends with the test's runtime.
#[derive(Clone, Debug, Default)]
pub(crate) struct SmtpServer {
    faults: Arc<Mutex<VecDeque<Fault>>>,
    mails: Arc<Mutex<Vec<String>>>,
    one_by_one: Arc<AtomicBool>,
    pipelined: Arc<AtomicUsize>,
}

impl SmtpServer {
    /// Starts it; gives its address as a setting has it.
    pub(crate) async fn start() -> (Self, String) {
        let (server, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").await.expect("a port"));
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                tokio::spawn(async move { server.talk(stream).await.ok() });
            }
        });
        (server, url)
    }

    /// Starts it behind TLS from the first byte; gives its address, and the CA that vouches for it as PEM.
    pub(crate) async fn start_tls() -> (Self, String, String) {
        let (server, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").await.expect("a port"));
        let url = format!("smtps://user:secret@localhost:{}", listener.local_addr().expect("an address").port());
        let (acceptor, ca) = tls();
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, acceptor) = (accepting.clone(), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        server.talk(stream).await.ok();
                    }
                });
            }
        });
        (server, url, ca)
    }

    /// The next mails meet these faults, in order.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults.iter().cloned());
    }

    /// Offers no pipelining, and refuses what comes before it has answered.
    pub(crate) fn wants_one_by_one(&self) {
        self.one_by_one.store(true, Ordering::Relaxed);
    }

    /// Mails of which more came before the server had answered their beginning.
    pub(crate) fn pipelined(&self) -> usize {
        self.pipelined.load(Ordering::Relaxed)
    }

    /// Whether mails met every fault there was to meet.
    pub(crate) fn has_met_every_fault(&self) -> bool {
        self.faults.lock().unwrap().is_empty()
    }

    /// The Message-IDs of what was taken.
    pub(crate) fn message_ids(&self) -> Vec<String> {
        let ids = |mail: &String| mail.lines().find_map(|line| line.strip_prefix("Message-ID: ").map(str::to_owned));
        self.mails.lock().unwrap().iter().filter_map(ids).collect()
    }

    async fn talk(&self, stream: impl AsyncRead + AsyncWrite) -> std::io::Result<()> {
        let (read, mut write) = tokio::io::split(stream);
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 test ready\r\n").await?;
        let (mut fault, one_by_one) = (None, self.one_by_one.load(Ordering::Relaxed));
        while let Some(line) = lines.next_line().await? {
            let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            let reply = match verb.as_str() {
                _ if one_by_one && !lines.get_ref().buffer().is_empty() => "554 5.5.1 one by one",
                "MAIL" => {
                    let more = usize::from(!lines.get_ref().buffer().is_empty());
                    self.pipelined.fetch_add(more, Ordering::Relaxed);
                    fault = self.faults.lock().unwrap().pop_front();
                    "250 ok"
                }
                "RCPT" => match &fault {
                    Some(Fault::Rcpt(reply)) => reply,
                    _ => "250 ok",
                },
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    loop {
                        match lines.next_line().await? {
                            None => return Ok(()),
                            Some(line) if line == "." => break,
                            Some(line) => mail.extend([line.as_str(), "\n"]),
                        }
                    }
                    match &fault {
                        Some(Fault::Data(reply)) => reply,
                        Some(Fault::Hang) => std::future::pending().await,
                        Some(Fault::AcceptAndClose) => {
                            self.mails.lock().unwrap().push(mail);
                            return Ok(());
                        }
                        _ => {
                            self.mails.lock().unwrap().push(mail);
                            "250 taken"
                        }
                    }
                }
                "QUIT" => "221 bye",
                "EHLO" if !one_by_one => "250-test\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 SIZE 10000000",
                "EHLO" => "250-test\r\n250-AUTH PLAIN\r\n250 SIZE 10000000",
                "AUTH" => "235 welcome",
                _ => "250 ok",
            };
            write.write_all(format!("{reply}\r\n").as_bytes()).await?;
            if verb == "DATA" && fault == Some(Fault::Leave) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A CA, and a server that it vouches for as localhost.
fn tls() -> (TlsAcceptor, String) {
    super::install_tls();
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = parameters.self_signed(&ca_key).expect("a CA");
    let issuer = rcgen::Issuer::new(parameters, ca_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let leaf = parameters.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![leaf.der().clone()], key).expect("a certificate and its key");
    (TlsAcceptor::from(Arc::new(config)), ca.pem())
}
