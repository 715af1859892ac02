//! The node's own network, entered by threads of this process.
//!
//! A socket stays in the network in which it was made, whichever thread uses it. So a thread that ends with its task goes in, makes
//! the socket and hands it out.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// A network namespace. It lives as long as this value, or as its processes.
pub(crate) struct Network {
    namespace: File,
}

impl Network {
    /// The one of a process.
    pub fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/ns/net");
        Ok(Self { namespace: File::open(&path).with_context(|| format!("cannot open {path}"))? })
    }

    pub fn connect(&self, to: SocketAddr, limit: Duration) -> Result<TcpStream> {
        self.within(|| TcpStream::connect_timeout(&to, limit)).with_context(|| format!("cannot reach {to}"))
    }

    fn listen(&self, port: u16) -> Result<TcpListener> {
        self.within(|| TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
    }

    fn within<T: Send>(&self, act: impl FnOnce() -> io::Result<T> + Send) -> Result<T> {
        let inside = || {
            enter(&self.namespace)?;
            act()
        };
        let done = thread::scope(|scope| scope.spawn(inside).join());
        Ok(done.map_err(|_| anyhow::anyhow!("a thread in the node's network panicked"))??)
    }
}

/// Moves the calling thread.
#[cfg(target_os = "linux")]
fn enter(namespace: &File) -> io::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

#[cfg(not(target_os = "linux"))]
fn enter(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Leads connections to a loopback port inside to the same port outside, until dropped.
pub(crate) struct Relay {
    listener: TcpListener,
}

impl Relay {
    pub fn start(network: &Network, port: u16) -> Result<Self> {
        let listener = network.listen(port)?;
        let accepting = listener.try_clone()?;
        thread::Builder::new().name("node-relay".into()).spawn(move || {
            while let Ok((inside, _)) = accepting.accept() {
                // Refused outside is closed inside, as a proxy does it.
                if let Ok(outside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    join(inside, outside);
                }
            }
        })?;
        Ok(Self { listener })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Ends the thread that accepts; an open listener would keep the namespace.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

/// Copies both ways until either end closes.
fn join(inside: TcpStream, outside: TcpStream) {
    let (Ok(inside_too), Ok(outside_too)) = (inside.try_clone(), outside.try_clone()) else { return };
    for (mut from, mut to) in [(inside, outside), (outside_too, inside_too)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
