//! Adopted cookies and records, and those that are refused.

mod common;
mod cookies;
mod records;
