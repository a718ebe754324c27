//! A connection that many share and that is made anew when it is over.
//!
//! Must not know: what is sent, and to whom it leads.

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use redis::{Cmd, RedisError, RedisResult, Value, aio::ConnectionLike};

/// The connection. All callers share one, and one try to make it.
pub struct Link<C: Clone> {
    connect: Box<dyn Fn() -> BoxFuture<'static, RedisResult<C>> + Send + Sync>,
    /// Whether a connection that gave this error is over.
    is_over: fn(&RedisError) -> bool,
    current: Mutex<Current<C>>,
}

/// A connection, or the try to make one; and its number, so that a late failure of an old one does not end the next.
#[derive(Clone)]
struct Current<C: Clone> {
    number: u64,
    connecting: Shared<BoxFuture<'static, RedisResult<C>>>,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Link<C> {
    /// Connects.
    pub async fn open(
        connect: impl Fn() -> BoxFuture<'static, RedisResult<C>> + Send + Sync + 'static,
        is_over: fn(&RedisError) -> bool,
    ) -> RedisResult<Self> {
        let connecting = connect().shared();
        connecting.clone().await?;
        let current = Mutex::new(Current { number: 0, connecting });
        Ok(Self { connect: Box::new(connect), is_over, current })
    }

    /// Sends one command, once: whether one whose answer was lost was done is for the caller to find out.
    pub async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        self.with(async |mut connection| connection.req_packed_command(command).await.and_then(Value::extract_error))
            .await
    }

    /// Does something with the connection.
    pub async fn with<T>(&self, act: impl AsyncFnOnce(C) -> RedisResult<T>) -> RedisResult<T> {
        let Current { number, connecting } = self.current.lock().clone();
        let connection = connecting.await.inspect_err(|_| self.connect_after(number))?;
        let answer = act(connection).await;
        if answer.as_ref().is_err_and(self.is_over) {
            self.connect_after(number);
        }
        answer
    }

    /// Connects anew, unless that was done since connection `number` was the one in use.
    fn connect_after(&self, number: u64) {
        let mut current = self.current.lock();
        if current.number == number {
            *current = Current { number: number + 1, connecting: (self.connect)().shared() };
        }
    }
}
