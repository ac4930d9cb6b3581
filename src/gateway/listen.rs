//! Taking the port, with words for whoever finds it taken.

use super::options::GatewayOptions;
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Starts to listen on `address`; port 0 takes a free one.
///
/// # Errors
/// A sentence that says why not and what to do: no key for a public address, port taken, not allowed.
pub async fn bind(address: SocketAddr, options: &GatewayOptions) -> Result<TcpListener, String> {
    options.check_address(address)?;
    TcpListener::bind(address).await.map_err(|error| words(address, &error))
}

fn words(address: SocketAddr, error: &std::io::Error) -> String {
    let other = address.port().checked_add(1).unwrap_or(4141);
    match error.kind() {
        ErrorKind::AddrInUse => {
            let free = SocketAddr::new(address.ip(), other);
            format!(
                "the gateway cannot listen on {address}: another program does. Another port: lmdeck serve --listen \
                 {free}; for the dashboard: lmdeck config set gateway.listen {free}"
            )
        }
        ErrorKind::PermissionDenied => format!(
            "the gateway cannot listen on {address}: the system does not allow it; choose a port from 1024 on: \
             lmdeck serve --listen {}",
            SocketAddr::new(address.ip(), 4141)
        ),
        ErrorKind::AddrNotAvailable => format!(
            "the gateway cannot listen on {address}: this machine has no such address; use 127.0.0.1, or one of \
             the machine's own"
        ),
        _ => format!("the gateway cannot listen on {address}: {error}; choose another address: lmdeck serve --listen"),
    }
}
