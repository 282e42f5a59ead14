//! The topic query language and the analysis of text it shares with search. Pure.
