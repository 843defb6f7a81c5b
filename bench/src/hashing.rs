//! bcrypt by the system's libxcrypt, to compare the crate with. Perl's `crypt` is that of the C library, and Perl is
//! installed nearly everywhere, so that no foreign function has to be called from here.

use std::process::Command;

/// Hashes `$count` times at `$cost`, and prints the CPU milliseconds of each hash.
const PROGRAM: &str = r#"
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
my ($cost, $count) = @ARGV;
my $salt = sprintf('$2b$%02d$abcdefghijklmnopqrstuu', $cost);
for (1 .. $count) {
    my $before = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
    my $hash = crypt('a bag full of old movies', $salt);
    die if length($hash) != 60;
    printf("%.3f\n", 1000 * (clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $before));
}
"#;

/// Returns the CPU milliseconds of `count` hashes; none if Perl is missing or its C library lacks bcrypt.
pub fn libxcrypt(cost: u32, count: usize) -> Vec<f64> {
    let ran = Command::new("perl").args(["-e", PROGRAM, &cost.to_string(), &count.to_string()]).output();
    let Some(ran) = ran.ok().filter(|ran| ran.status.success()) else { return Vec::new() };
    String::from_utf8_lossy(&ran.stdout).lines().filter_map(|line| line.parse().ok()).collect()
}
