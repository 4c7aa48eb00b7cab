//! Messages: written with the completion, delivered apart from it, tried again with the same id.

use std::time::Duration;

use jiff::SignedDuration;
use patchline_engine::{DeliveryState, Message, Outcome};
use serde_json::json;

use crate::kit::*;

on_both!(messages_are_tried_again_until_they_are_taken, a_refusal_is_final_and_is_shown,);

fn telling() -> Script {
    Script::default().on("tell", |c| async move {
        let message = |channel: &str| Message {
            id: format!("{}/{channel}", c.idempotency_key),
            channel: channel.into(),
            payload: json!({"run": c.run}),
        };
        Ok(Outcome::Succeeded {
            output: json!({}),
            messages: vec![message("ops"), message("ci")],
            mends: false,
        })
    })
}

async fn messages_are_tried_again_until_they_are_taken(place: Place) {
    let house = House::new(&place, &telling()).await;
    // The last comes first: one is refused for a while, then asks for ten minutes.
    house.sink.refuse.lock().unwrap().extend([(true, Some(Duration::from_secs(600))), (true, None)]);
    let view = house.run(&plan("t", vec![step("tell", &[])])).await;
    let deliveries = async || house.engine.run(&view.id).await.unwrap().deliveries;
    until(async || house.sink.got.lock().unwrap().len() == 2).await;
    until(async || {
        deliveries().await.iter().all(|d| matches!(d.state, DeliveryState::Pending { attempts: 1, .. }))
    })
    .await;
    house.clock.skip(SignedDuration::from_secs(6));
    until(async || deliveries().await.iter().any(|d| d.state == DeliveryState::Delivered)).await;
    assert!(deliveries().await.iter().any(|d| matches!(d.state, DeliveryState::Pending { attempts: 1, .. })));
    house.clock.skip(SignedDuration::from_secs(600));
    until(async || deliveries().await.iter().all(|d| d.state == DeliveryState::Delivered)).await;
    let mut ids: Vec<String> = house.sink.got.lock().unwrap().iter().map(|m| m.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
}

async fn a_refusal_is_final_and_is_shown(place: Place) {
    let house = House::new(&place, &telling()).await;
    house.sink.refuse.lock().unwrap().extend([(false, None), (false, None)]);
    let view = house.run(&plan("t", vec![step("tell", &[])])).await;
    until(async || {
        let deliveries = house.engine.run(&view.id).await.unwrap().deliveries;
        deliveries.len() == 2
            && deliveries
                .iter()
                .all(|d| matches!(&d.state, DeliveryState::Failed { problem } if problem.code == "sink-full"))
    })
    .await;
    assert_eq!(house.sink.got.lock().unwrap().len(), 2);
}
