//! Each way to get an adapter wrong fails exactly the cases that are about it.
