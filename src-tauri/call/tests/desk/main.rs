//! What becomes of a call with people in it, told as short stories.

mod story;

mod hand_over;
mod outgoing;
mod replaces;
mod talk;
mod transfers;
mod waiting;
