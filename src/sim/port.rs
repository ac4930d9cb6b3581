//! A port with something else behind it than a model server.

use std::net::Ipv4Addr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Connections kept open at once; when full, the oldest is closed.
const OPEN_CAPACITY: usize = 256;

/// A port that takes connections and says one thing, or nothing, and keeps them open. Dropping it ends it.
pub struct PlainPort {
    pub port: u16,
    task: JoinHandle<()>,
}

impl PlainPort {
    /// Takes connections and never says a word.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn silent() -> std::io::Result<Self> {
        Self::saying("").await
    }

    /// # Errors
    /// No port can be had.
    pub async fn saying(words: &'static str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            let mut open: Vec<TcpStream> = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                // Who hung up already does not hear it.
                let _ = stream.write_all(words.as_bytes()).await;
                if open.len() >= OPEN_CAPACITY {
                    open.remove(0);
                }
                open.push(stream);
            }
        });
        Ok(Self { port, task })
    }
}

impl Drop for PlainPort {
    fn drop(&mut self) {
        self.task.abort();
    }
}
