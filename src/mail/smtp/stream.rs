//! A TCP stream on which what is written travels when an answer to it is awaited.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::net::TcpStream;

/// What is gathered before it travels anyway: more than most mails have.
const GATHERED_MAX: usize = 64 << 10;

/// The SMTP client flushes after each of its writes, also between a mail and its end: gathered, they are one packet
/// and wake the server once.
#[derive(Debug)]
pub(super) struct Gathering(BufWriter<TcpStream>);

impl Gathering {
    /// Without Nagle's algorithm: what is gathered goes at once, and does not wait for what was sent before to be
    /// acknowledged.
    pub(super) async fn connect(address: (&str, u16)) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufWriter::with_capacity(GATHERED_MAX, stream)))
    }
}

impl AsyncTokioStream for Gathering {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}

impl AsyncRead for Gathering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Gathering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
