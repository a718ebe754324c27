//! A small TCP proxy on loopback that does to connections what networks do: cuts them, slows them, falls silent, loses answers.
//!
//! Must not know: what is said over them.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;

/// How often a silent connection looks whether it may speak again.
const LOOK: Duration = Duration::from_millis(5);

/// A proxy to one port of this machine. Its connections end with it.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    upstream: u16,
    /// Both ends of each connection.
    open: Mutex<Vec<TcpStream>>,
    delay_ms: AtomicU64,
    silent: AtomicBool,
    closed: AtomicBool,
    /// The answer to the next request that holds these bytes is lost after so many of its own.
    loss: Mutex<Option<(Vec<u8>, usize)>>,
    lost: AtomicU64,
}

impl Proxy {
    /// A proxy that does nothing yet.
    pub fn to(upstream: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { upstream, ..Shared::default() });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if serving.closed.load(Ordering::SeqCst) {
                    return;
                }
                // A server that is away is a connection that ends at once.
                let _ = serve(&serving, client);
            }
        });
        Ok(Self { port, shared })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL for Redis.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for end in self.shared.open.lock().expect("no panic").drain(..) {
            // It may have ended by itself.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// From now on each piece of an answer takes so much longer.
    pub fn slow(&self, delay: Duration) {
        self.shared.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Whether nothing passes, in either direction. What was on its way passes when the silence ends.
    pub fn silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::SeqCst);
    }

    /// The next request that holds `request` is passed on; of its answer, `bytes` bytes, and then its connection is cut.
    pub fn lose_answer_to(&self, request: &[u8], bytes: usize) {
        *self.shared.loss.lock().expect("no panic") = Some((request.to_vec(), bytes));
    }

    /// How many answers were lost so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.silent(false);
        self.cut();
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Which bytes of the next answer pass, if it is to be lost.
type Fate = Arc<Mutex<Option<usize>>>;

fn serve(shared: &Arc<Shared>, client: TcpStream) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", shared.upstream))?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
        shared.open.lock().expect("no panic").push(end.try_clone()?);
    }
    let fate = Fate::default();
    let (up, down) = ((client.try_clone()?, server.try_clone()?), (server, client));
    let (shared_up, shared_down, fate_up) = (Arc::clone(shared), Arc::clone(shared), Arc::clone(&fate));
    thread::spawn(move || pump(&shared_up, up, |bytes| request(&shared_up, &fate_up, bytes)));
    thread::spawn(move || pump(&shared_down, down, |bytes| answer(&shared_down, &fate, bytes)));
    Ok(())
}

/// Passes on what comes, as far as `passes` says (how many bytes, and whether the connection goes on), until an end of it closes.
fn pump(shared: &Shared, (mut from, mut to): (TcpStream, TcpStream), passes: impl Fn(&[u8]) -> (usize, bool)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        while shared.silent.load(Ordering::SeqCst) {
            thread::sleep(LOOK);
        }
        let (count, goes_on) = passes(&buffer[..length]);
        if to.write_all(&buffer[..count]).is_err() || !goes_on {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn request(shared: &Shared, fate: &Fate, bytes: &[u8]) -> (usize, bool) {
    let mut loss = shared.loss.lock().expect("no panic");
    let meant = |(request, _): &(Vec<u8>, usize)| bytes.windows(request.len()).any(|window| window == request);
    if loss.as_ref().is_some_and(meant) {
        *fate.lock().expect("no panic") = loss.take().map(|(_, bytes)| bytes);
    }
    (bytes.len(), true)
}

fn answer(shared: &Shared, fate: &Fate, bytes: &[u8]) -> (usize, bool) {
    thread::sleep(Duration::from_millis(shared.delay_ms.load(Ordering::SeqCst)));
    match fate.lock().expect("no panic").take() {
        None => (bytes.len(), true),
        Some(passing) => {
            shared.lost.fetch_add(1, Ordering::SeqCst);
            (passing.min(bytes.len()), false)
        }
    }
}
