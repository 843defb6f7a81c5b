//! The process is killed between two requests: the tables are as before or as after, and a repeat finishes.

use std::pin::pin;

use futures_util::future::{Either, join_all, select};
use local::fault_proxy::{Fault, Gate};

use super::{Case, PATHS, Path, Stage};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn a_process_killed_before_any_request_leaves_the_old_state_and_a_repeat_finishes() {
    join_all(PATHS.into_iter().filter(|path| path.writes()).map(|path| async move {
        let mut stage = Stage::new(path).await;
        for index in path.places() {
            let case = stage.case(index).await;
            let before = stage.bag.contents();
            kill_at(&mut stage, &case, index).await;

            let name = format!("{} killed before request {index}", stage.name());
            assert_eq!(stage.bag.contents(), before, "{name}");
            let response = stage.send(&case).await;
            assert_eq!(response.status, path.success(), "{name}: {}", response.body);
            assert!(stage.took_effect(&case).await, "{name}");
            assert_consistent(&stage.bag);
        }
    }))
    .await;
}

#[tokio::test]
async fn a_process_killed_after_its_write_leaves_the_new_state_and_a_repeat_changes_nothing_more() {
    join_all(PATHS.into_iter().filter(|path| path.writes()).map(|path| async move {
        let mut stage = Stage::new(path).await;
        let case = stage.case(1).await;
        let before = stage.bag.contents();
        // The write is done, but the process does not hear of it; it is killed when it tries again.
        let write = path.requests().len() - 1;
        stage.inject(Fault::LoseResponse, write, 1);
        kill_at(&mut stage, &case, write).await;

        let name = format!("{} killed after its write", stage.name());
        let after = stage.bag.contents();
        assert_ne!(after, before, "{name}");
        assert!(stage.took_effect(&case).await, "{name}");
        assert_consistent(&stage.bag);
        let response = stage.send(&case).await;
        let expected = match path {
            Path::Signup | Path::Create => 409,
            Path::Delete => 404,
            // The session of the repeat has ended.
            Path::ChangePassword | Path::Logout | Path::Leave => 401,
            _ => 200,
        };
        assert_eq!(response.status, expected, "{name}: {}", response.body);
        assert_eq!(
            stage.bag.contents().keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>(),
            "{name}"
        );
        assert_consistent(&stage.bag);
    }))
    .await;
}

/// Sends the request of a case and kills the function while its request with this index, of those that meet no other
/// fault, is on the way.
async fn kill_at(stage: &mut Stage, case: &Case, index: usize) {
    let operation = stage.path.operation();
    let gate = Gate::new();
    stage.inject(Fault::Hold(gate.clone()), index, 1);
    {
        let sending = pin!(stage.send(case));
        let reached = pin!(gate.reached());
        if let Either::Left((response, _)) = select(sending, reached).await {
            panic!("{} answered before it was killed: {}", stage.name(), response.body);
        }
    }
    stage.bag.kill(operation).await;
    stage.bag.proxy.clear_rules();
}
