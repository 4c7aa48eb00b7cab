//! Chains that start by themselves, over every store: once, whoever looks, whatever crashes.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

#[path = "../engine/cluster.rs"]
mod cluster;
mod faults;
mod fires;
mod kit;
#[path = "../engine/machine.rs"]
mod machine;
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
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(base) = crate::kit::Base::postgres().await {
                        super::$name(base).await;
                    }
                }
            )*
        }
    };
}
use over_every_store;
