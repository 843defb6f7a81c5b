//! One bcrypt verification of the password in `PASSWORD` against the hash in `PASSWORD_HASH`. The response is the CPU
//! time of the verification alone, in nanoseconds, without the cost of the runtime.

use std::{env, time::Duration};

use lambda_http::{Body, Error, Request, Response, run, service_fn};
use nix::time::{ClockId, clock_gettime};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (password, hash) = (env::var("PASSWORD")?, env::var("PASSWORD_HASH")?);
    run(service_fn(|_: Request| {
        let verified = verify(&password, &hash);
        async move { verified }
    }))
    .await
}

fn verify(password: &str, hash: &str) -> Result<Response<Body>, Error> {
    let before = thread_time()?;
    if !bcrypt::verify(password, hash)? {
        return Err("the password does not match".into());
    }
    let spent = thread_time()?.saturating_sub(before);
    Ok(Response::new(spent.as_nanos().to_string().into()))
}

fn thread_time() -> Result<Duration, Error> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
