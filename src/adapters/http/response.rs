//! An answer on its way in: its head, and its body piece by piece, from whichever client carried the request.

use super::direct::Lease;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::error::Error;
use std::net::SocketAddr;

/// Why the body broke off.
pub type Broken = Box<dyn Error + Send + Sync>;

#[derive(Debug)]
pub enum Response {
    /// From a server that was connected to directly, in plain HTTP.
    Direct {
        response: http::Response<Incoming>,
        remote: Option<SocketAddr>,
        /// Its connection, until the body has been read.
        lease: Option<Lease>,
    },
    /// Over TLS, or through a proxy.
    Full(reqwest::Response),
}

impl Response {
    pub fn status(&self) -> u16 {
        match self {
            Self::Direct { response, .. } => response.status().as_u16(),
            Self::Full(response) => response.status().as_u16(),
        }
    }

    pub fn headers(&self) -> &HeaderMap {
        match self {
            Self::Direct { response, .. } => response.headers(),
            Self::Full(response) => response.headers(),
        }
    }

    /// The address that was connected to: the server's, or a proxy's.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Direct { remote, .. } => *remote,
            Self::Full(response) => response.remote_addr(),
        }
    }

    /// Bytes of the body, where its head says so.
    pub fn content_length(&self) -> Option<u64> {
        match self {
            Self::Direct { response, .. } => hyper::body::Body::size_hint(response.body()).exact(),
            Self::Full(response) => response.content_length(),
        }
    }

    /// The next piece of the body; `None` at its end. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        match self {
            Self::Direct { response, lease, .. } => loop {
                let Some(frame) = response.body_mut().frame().await else {
                    if let Some(lease) = lease.take() {
                        lease.give_back();
                    }
                    return Ok(None);
                };
                // Trailers say nothing here.
                if let Ok(bytes) = frame?.into_data() {
                    return Ok(Some(bytes));
                }
            },
            Self::Full(response) => Ok(response.chunk().await?),
        }
    }
}
