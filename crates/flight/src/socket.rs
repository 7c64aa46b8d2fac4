//! A listening socket and its connections, both of which can be ended: the socket at once, the
//! connections when their time to end by themselves is over.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

/// How a socket and its connections end.
pub(crate) struct Ending {
    /// Asks for no new connections.
    pub(crate) closing: CancellationToken,
    /// Tells, when it is dropped, that the socket is closed: its port is free.
    pub(crate) closed: DropGuard,
    /// Breaks the connections that are still there.
    pub(crate) cut: CancellationToken,
}

/// The fields drop in this order: whoever is told finds the socket closed.
struct Accepting {
    socket: TcpIncoming,
    _closed: DropGuard,
}

/// Connections that clients make, until the end. Never ends itself: the server that reads it decides
/// when to say goodbye to the connections it has.
pub(crate) fn connections(
    socket: TcpIncoming,
    ending: Ending,
) -> impl Stream<Item = io::Result<Connection>> + Send {
    let Ending {
        closing,
        closed,
        cut,
    } = ending;
    let accepting = Accepting {
        socket,
        _closed: closed,
    };
    stream::unfold(accepting, move |mut accepting| {
        let (closing, cut) = (closing.clone(), cut.clone());
        async move {
            let next = closing.run_until_cancelled(accepting.socket.next());
            let connection = next.await??.map(|stream| Connection::new(stream, cut));
            Some((connection, accepting))
        }
    })
    .chain(stream::pending())
}

/// A client's connection, until it is cut. Whoever waits for the client then gets an error.
pub(crate) struct Connection {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        Self {
            stream,
            cut: Box::pin(cut.cancelled_owned()),
        }
    }

    /// Asks about the cut only where the client lets us wait, so that rows on their way pay nothing.
    fn unless_cut<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => self.cut.as_mut().poll(context).map(|()| {
                let ended = "the listener ended before the call did";
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, ended))
            }),
            ready => ready,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.unless_cut(polled, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.unless_cut(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.unless_cut(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}
