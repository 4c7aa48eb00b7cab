//! Rows of intents, alike in every database.

use patchline_engine::step::Intent;

use crate::{column::of_json, error::Result};

pub(crate) const TABLE: &str = "effects";

/// From kind, target, detail and whether it is known to be made.
pub(crate) fn intent((kind, target, detail, done): (String, String, String, bool)) -> Result<Intent> {
    Ok(Intent { kind, target, detail: of_json(TABLE, &detail)?, done })
}

/// The engine's trait over a database's own methods. Here once, so that what failed is called the same over each.
macro_rules! effect_log {
    ($store:ty) => {
        const _: () = {
            use patchline_engine::{
                Result as EngineResult, RunId,
                step::{EffectLog, Intent},
            };

            use $crate::error::engine;

            #[async_trait::async_trait]
            impl EffectLog for $store {
                async fn intend(&self, run: &RunId, step: &str, intent: &Intent) -> EngineResult<()> {
                    self.intend(run, step, intent).await.map_err(engine("recording an intent"))
                }
                async fn done(&self, run: &RunId, step: &str, kind: &str, target: &str) -> EngineResult<()> {
                    self.effect_done(run, step, kind, target)
                        .await
                        .map_err(engine("marking an intent as made"))
                }
                async fn withdraw(
                    &self,
                    run: &RunId,
                    step: &str,
                    kind: &str,
                    target: &str,
                ) -> EngineResult<()> {
                    let withdrawn = self.effect_withdrawn(run, step, kind, target).await;
                    withdrawn.map_err(engine("withdrawing an intent"))
                }
                async fn of_step(&self, run: &RunId, step: &str) -> EngineResult<Vec<Intent>> {
                    self.effects(run, step).await.map_err(engine("reading intents"))
                }
                async fn intended(&self, kind: &str, target: &str) -> EngineResult<bool> {
                    self.any_effect(kind, target).await.map_err(engine("looking for an intent"))
                }
                async fn of_target(&self, kind: &str, target: &str) -> EngineResult<Vec<Intent>> {
                    self.effects_on(kind, target).await.map_err(engine("looking for intents"))
                }
            }
        };
    };
}
pub(crate) use effect_log;
