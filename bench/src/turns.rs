//! Who comes after whom, when several are measured in turn.

/// The places of so many in a round. Another one begins each time, and every other round goes backwards, so that none
/// always follows the same one.
pub fn of_round(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |position| {
        let place = (position + round) % count;
        if round.is_multiple_of(2) { place } else { count - 1 - place }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::of_round;

    #[test]
    fn everybody_has_a_turn_and_follows_several() {
        let rounds: Vec<Vec<usize>> = (0..4).map(|round| of_round(round, 4).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2, 3], [2, 1, 0, 3], [2, 3, 0, 1], [0, 3, 2, 1]]);
        let followed: BTreeSet<usize> = rounds
            .iter()
            .flat_map(|round| round.windows(2))
            .filter(|pair| pair[1] == 1)
            .map(|pair| pair[0])
            .collect();
        assert_eq!(followed, [0, 2].into());
    }
}
