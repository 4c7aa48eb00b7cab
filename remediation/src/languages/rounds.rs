//! The packages of one ecosystem: fetched one after the other, then judged until nothing more goes up.

use super::{Decided, Place, Question, Ready, limits};
use crate::{Result, plan::Blocked};

/// A package that may go up, and everything that it takes.
pub(super) struct Candidate<T> {
    pub(super) place: Place,
    /// The version to go to.
    pub(super) to: String,
    /// What is laid.
    pub(super) new: T,
}

/// An ecosystem's own rules, and what an image has of it as it will be.
pub(super) trait Judge: Send {
    /// What of a candidate its ecosystem knows.
    type New: Send;
    /// For whoever watches.
    const NAME: &'static str;

    /// The candidate for a place, its archives verified; or why there is none.
    fn fetch(
        &mut self,
        question: &Question<'_>,
        place: &Place,
    ) -> impl Future<Output = Result<Result<Candidate<Self::New>, Blocked>>> + Send;
    /// Whether a candidate can go up beside everything that is there now.
    fn judge(&self, question: &Question<'_>, candidate: &Candidate<Self::New>) -> Result<Ready, Blocked>;
    /// From now on it is there.
    fn went_up(&mut self, candidate: Candidate<Self::New>);
}

/// The candidates of all places; what has none is refused.
pub(super) async fn candidates<J: Judge>(
    judge: &mut J,
    question: &Question<'_>,
    places: &[Place],
    decided: &mut Decided,
) -> Result<Vec<Candidate<J::New>>> {
    let (mut all, total) = (Vec::new(), places.len() as u64);
    for (place, n) in places.iter().zip(0..) {
        (question.progress)(J::NAME, n, total);
        match judge.fetch(question, place).await? {
            Ok(candidate) => all.push(candidate),
            Err(why) => decided.take(place, Err(why)),
        }
    }
    (question.progress)(J::NAME, total, total);
    Ok(all)
}

/// Judges candidates: those that wait for another upgrade are looked at again after it.
pub(super) fn rounds<J: Judge>(
    judge: &mut J,
    question: &Question<'_>,
    candidates: Vec<Candidate<J::New>>,
    decided: &mut Decided,
) {
    let mut waiting: Vec<(Candidate<J::New>, Option<Blocked>)> =
        candidates.into_iter().map(|candidate| (candidate, None)).collect();
    for _ in 0..limits::ROUNDS {
        let before = waiting.len();
        for (candidate, _) in std::mem::take(&mut waiting) {
            match judge.judge(question, &candidate) {
                Ok(ready) => {
                    decided.take(&candidate.place, Ok(ready));
                    judge.went_up(candidate);
                }
                Err(why) => waiting.push((candidate, Some(why))),
            }
        }
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
    }
    for (candidate, why) in waiting {
        if let Some(why) = why {
            decided.take(&candidate.place, Err(why.towards(&candidate.to)));
        }
    }
}
