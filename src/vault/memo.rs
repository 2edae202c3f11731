//! What was lately asked of something that does not change: a few answers, found faster than asking again.

use parking_lot::Mutex;

/// Answers by what was asked. Each question has one place; a later one with the same place takes it.
pub(super) struct Memo<Q, A>(Box<[Place<Q, A>]>);

type Place<Q, A> = Mutex<Option<(Q, A)>>;

impl<Q: Eq, A: Clone> Memo<Q, A> {
    /// Room for `places` answers.
    pub(super) fn new(places: usize) -> Self {
        Memo((0..places.max(1)).map(|_| Mutex::new(None)).collect())
    }

    /// The answer to `question`, from `ask` if it is not known. `spread` says which place is its: questions must
    /// differ in it, as good as always.
    ///
    /// # Errors
    /// Those of `ask`, which are not kept.
    pub(super) fn answer<E>(
        &self,
        spread: u64,
        question: Q,
        ask: impl FnOnce() -> Result<A, E>,
    ) -> Result<A, E> {
        let at = spread as usize % self.0.len();
        let Some(place) = self.0.get(at) else { return ask() };
        if let Some((_, answer)) = place.lock().as_ref().filter(|(known, _)| *known == question) {
            return Ok(answer.clone());
        }
        let answer = ask()?;
        *place.lock() = Some((question, answer.clone()));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_once_for_what_has_its_place_and_never_again_for_an_error() {
        let memo = Memo::new(4);
        let ask = |n: u64| memo.answer(n, n, || Ok::<_, ()>(n * n));
        for n in [3, 3, 7, 3, 2] {
            assert_eq!(ask(n), Ok(n * n), "3 and 7 share a place");
        }
        assert_eq!(memo.answer(2, 2, || Err(())), Ok(4), "known");
        assert_eq!(memo.answer(6, 6, || Err(())), Err(()));
        assert_eq!(ask(2), Ok(4), "an error takes no place");
    }
}
