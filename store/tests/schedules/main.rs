//! Chains that start by themselves, over every store: once, whoever looks, whatever crashes.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

mod faults;
mod fires;
mod kit;
mod sightings;

/// Each test is one over each database.
macro_rules! over_every_store {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::kit::Base::sqlite().await).await;
                }
            )*
        }
    };
}
use over_every_store;
