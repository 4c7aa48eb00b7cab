//! The steps of a run, shared between its states: a transition copies the steps that it changes, and no others.

use std::{
    ops::{Index, IndexMut},
    sync::Arc,
};

use super::StepRun;

/// In the plan's order. A copy costs a reference for each; who changes a step that others see gets one of its own.
#[derive(Debug, Clone, Default)]
pub struct Steps(Vec<Arc<StepRun>>);

impl Steps {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The one at this position, if there is one.
    pub fn get(&self, step: usize) -> Option<&StepRun> {
        self.0.get(step).map(Arc::as_ref)
    }
    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &StepRun> + DoubleEndedIterator + Clone {
        self.0.iter().map(Arc::as_ref)
    }
    /// Adds one at the end.
    pub fn push(&mut self, step: StepRun) {
        self.0.push(Arc::new(step));
    }
    /// Where `after` differs: position, the step here, and the step there.
    pub fn changed<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = (usize, &'a StepRun, &'a StepRun)> {
        let both = self.0.iter().zip(&after.0).enumerate();
        // What is the same in memory need not be compared.
        both.filter(|(_, (a, b))| !Arc::ptr_eq(a, b) && a != b).map(|(step, (a, b))| (step, &**a, &**b))
    }
}

impl Index<usize> for Steps {
    type Output = StepRun;
    fn index(&self, step: usize) -> &StepRun {
        &self.0[step]
    }
}

impl IndexMut<usize> for Steps {
    fn index_mut(&mut self, step: usize) -> &mut StepRun {
        Arc::make_mut(&mut self.0[step])
    }
}

impl PartialEq for Steps {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.changed(other).next().is_none()
    }
}

impl FromIterator<StepRun> for Steps {
    fn from_iter<T: IntoIterator<Item = StepRun>>(steps: T) -> Self {
        Self(steps.into_iter().map(Arc::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::StepState;

    #[test]
    fn a_copy_shares_what_neither_has_changed() {
        let before: Steps = (0..3).map(|pending| StepRun::new(StepState::Blocked { pending })).collect();
        let mut after = before.clone();
        assert_eq!(before, after);
        after[1].attempt = 7;
        assert_eq!((before[1].attempt, after[1].attempt), (0, 7));
        assert_eq!(before.changed(&after).map(|(step, ..)| step).collect::<Vec<_>>(), [1]);
        // Changed and changed back is not changed.
        after[1].attempt = 0;
        assert_eq!(before, after);
    }
}
