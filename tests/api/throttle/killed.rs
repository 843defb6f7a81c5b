//! The process is killed between two requests of a try: one failure too many is counted at worst, never one too few.

use std::pin::pin;

use futures_util::future::{Either, join_all, select};
use local::fault_proxy::{Fault, Gate, Rule};

use super::{
    House, OWNER,
    faults::{at_most_one_too_many, cases, house, requests, start_over},
};
use crate::{bag::PASSWORD, consistency::assert_consistent};

#[tokio::test]
async fn a_process_killed_before_any_request_of_a_try_counts_one_failure_too_many_at_worst() {
    join_all(cases().map(|(door, right)| async move {
        let mut house = house(door).await;
        for (operation, index) in requests(door, right) {
            start_over(&house).await;
            kill_at(&mut house, right, operation, index).await;
            let name = format!("{door:?}, right: {right}, killed before {operation} {index}");
            at_most_one_too_many(&house, right, &name);
            house.succeed(OWNER).await;
            assert_eq!(house.strict_failures(), 0, "{name}");
        }
        assert_consistent(&house.bag);
    }))
    .await;
}

/// Sends a try and kills the function while this request is on the way.
async fn kill_at(house: &mut House, right: bool, operation: &str, index: usize) {
    let gate = Gate::new();
    let caller = house.door.operation();
    house.bag.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(caller).on(operation).after(index));
    {
        let password = if right { PASSWORD } else { "a wrong password" };
        let sending = pin!(house.bag.send(house.attempt(password, OWNER)));
        if let Either::Left((response, _)) = select(sending, pin!(gate.reached())).await {
            panic!("{caller} answered before it was killed: {}", response.body);
        }
    }
    house.bag.kill(caller).await;
    house.bag.proxy.clear_rules();
}
