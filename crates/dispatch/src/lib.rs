//! Who has what: which worker, when again, when to give up. Pure.
