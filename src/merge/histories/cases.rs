//! CE1 to CE15.
