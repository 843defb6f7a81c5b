//! The order in which several subjects are measured in turn.

/// Returns the places of `count` subjects in a round. Each round begins with another one, and every other round runs
/// backwards, so that no subject always follows the same one.
pub fn of_round(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |position| {
        let place = (position + round) % count;
        if round.is_multiple_of(2) { place } else { count - 1 - place }
    })
}

#[cfg(test)]
mod tests {
    use super::of_round;

    #[test]
    fn every_subject_has_a_turn_and_follows_several() {
        let rounds: Vec<Vec<usize>> = (0..4).map(|round| of_round(round, 4).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2, 3], [2, 1, 0, 3], [2, 3, 0, 1], [0, 3, 2, 1]]);
    }
}
