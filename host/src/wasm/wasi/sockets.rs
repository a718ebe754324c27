//! Sockets are linked, so that components whose runtime imports them load; every use is denied, and the log says so once.

use quest_engine::action::Level;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::{
    DynPollable, Network, SocketError, SocketResult, TcpSocket, UdpSocket,
    bindings::{
        sockets::{
            ip_name_lookup::{self, HostResolveAddressStream, ResolveAddressStream},
            network::{self, ErrorCode, IpAddress, IpAddressFamily},
            tcp_create_socket,
        },
        sync::sockets::udp_create_socket,
    },
};

use super::super::run::Run;

pub(super) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    tcp_create_socket::add_to_linker::<Run, HasSelf<Run>>(linker, |run| run)?;
    udp_create_socket::add_to_linker::<Run, HasSelf<Run>>(linker, |run| run)?;
    ip_name_lookup::add_to_linker::<Run, HasSelf<Run>>(linker, |run| run)
}

impl Run {
    fn deny<T>(&mut self, what: &'static str) -> SocketResult<T> {
        if self.wasi().denied.insert(what) {
            self.take_printed(false);
            let message = format!(
                "{what} denied: this host grants no quest a permission for the network; publish a message for what goes outside"
            );
            self.log(Level::Warn, &message);
        }
        Err(ErrorCode::AccessDenied.into())
    }
}

impl tcp_create_socket::Host for Run {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.deny("a TCP socket was")
    }
}

impl udp_create_socket::Host for Run {
    fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        self.deny("a UDP socket was")
    }
}

impl ip_name_lookup::Host for Run {
    fn resolve_addresses(&mut self, _: Resource<Network>, _: String) -> SocketResult<Resource<ResolveAddressStream>> {
        self.deny("looking up a host's name was")
    }
}

// Nobody has such a stream, since no lookup begins.
impl HostResolveAddressStream for Run {
    fn resolve_next_address(&mut self, _: Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>> {
        Err(ErrorCode::InvalidState.into())
    }

    fn subscribe(&mut self, _: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        Err(wasmtime::Error::msg("no lookup is running"))
    }

    fn drop(&mut self, _: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl network::Host for Run {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, _: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl network::HostNetwork for Run {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.wasi().table.delete(network)?;
        Ok(())
    }
}
