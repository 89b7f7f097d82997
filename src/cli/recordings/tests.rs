#![allow(clippy::unwrap_used)]

use super::list::length;
use super::*;

#[test]
fn lengths_read_like_a_player_shows_them() {
    let shown = [0.4, 7.0, 59.6, 750.0, 3_723.0, -1.0].map(length);
    assert_eq!(shown, ["0:00", "0:07", "1:00", "12:30", "1:02:03", "0:00"]);
}

#[test]
fn a_path_means_the_same_whole_and_inside_the_folder() {
    let folder = Path::new("/srv/recordings");
    assert_eq!(inside("/srv/recordings/yard/a.mp4", folder), "yard/a.mp4");
    assert_eq!(inside("yard/a.mp4", folder), "yard/a.mp4");
    assert_eq!(inside("yard/50%\n.mp4", folder), "yard/50%25%0A.mp4");
    assert_eq!(inside("/elsewhere/a.mp4", folder), "/elsewhere/a.mp4");
}
