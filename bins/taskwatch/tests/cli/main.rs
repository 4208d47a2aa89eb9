//! The program as people run it: arguments, output, exit codes, signals.

mod demo;
mod replay;
mod run;
mod support;
mod tasks;
mod verify;
