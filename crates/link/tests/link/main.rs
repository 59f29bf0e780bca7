//! What the link promises, with real sockets. Nothing here sleeps: each test waits for what it expects, with a deadline.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

/// Has each of these promises held over a transport, or over two.
macro_rules! promises {
    ($module:ident over $transport:ty, $also:ident over $other:ty: $($name:ident),* $(,)?) => {
        promises!($module over $transport: $($name),*);
        promises!($also over $other: $($name),*);
    };
    ($module:ident over $transport:ty: $($name:ident),* $(,)?) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name::<$transport>().await;
                }
            )*
        }
    };
}

mod auto;
#[cfg(target_os = "linux")]
mod congestion;
mod encryption;
mod hostile;
mod on_the_way;
mod paths;
mod promises;
mod quic;
mod relay;
mod stage;
mod streams;
