//! The program as people run it: arguments, output, exit codes, signals.

mod demo;
mod http;
mod json;
mod mariadb;
mod old_system;
mod pipes;
mod replay;
mod run;
mod server;
mod support;
mod tasks;
mod terminal;
mod verify;
