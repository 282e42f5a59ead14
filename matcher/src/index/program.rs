//! A query's tree over leaves, flat: what is looked at for a candidate lies side by side in memory.
//!
//! A program is a run of steps in prefix order. AND, OR and NOT say how many steps they are with all their parts, so that
//! a part is passed over without being looked at.

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// A word, wherever it stands.
    Term,
    /// Anything else that stands at places.
    Leaf,
    Field,
    And,
    Or,
    Not,
}

/// One step: what it is, and which of its kind, or how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step(u32);

/// Bits below those of the kind.
const BITS: u32 = 29;
const NUMBER: u32 = (1 << BITS) - 1;

impl Step {
    /// Numbers are below 2^29: so many things do not fit into memory.
    pub(super) fn new(op: Op, number: u32) -> Self {
        Self((op as u32) << BITS | (number & NUMBER))
    }

    pub(super) fn op(self) -> Op {
        match self.0 >> BITS {
            0 => Op::Term,
            1 => Op::Leaf,
            2 => Op::Field,
            3 => Op::And,
            4 => Op::Or,
            _ => Op::Not,
        }
    }

    pub(super) fn number(self) -> u32 {
        self.0 & NUMBER
    }

    /// Steps of it and its parts.
    fn length(self) -> usize {
        match self.op() {
            Op::Term | Op::Leaf | Op::Field => 1,
            Op::And | Op::Or | Op::Not => self.number() as usize,
        }
    }
}

/// The parts that lie one behind the other in the steps after an AND, OR or NOT.
pub(super) fn parts(mut steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    std::iter::from_fn(move || {
        let (part, rest) = steps.split_at_checked(steps.first()?.length())?;
        steps = rest;
        Some(part)
    })
}

/// Writes a step with parts, which `write` writes behind it.
pub(super) fn enclose(program: &mut Vec<Step>, op: Op, write: impl FnOnce(&mut Vec<Step>)) {
    let at = program.len();
    program.push(Step::new(op, 0));
    write(program);
    let length = u32::try_from(program.len() - at).unwrap_or(NUMBER);
    if let Some(step) = program.get_mut(at) {
        *step = Step::new(op, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_what_was_written() {
        let term = |number| Step::new(Op::Term, number);
        let mut program = Vec::new();
        enclose(&mut program, Op::And, |program| {
            program.push(term(7));
            enclose(program, Op::Not, |program| program.push(Step::new(Op::Leaf, 2)));
            program.push(term(NUMBER));
        });
        let (first, rest) = program.split_first().unwrap();
        assert_eq!((first.op(), first.length()), (Op::And, 5));
        let parts: Vec<&[Step]> = parts(rest).collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0], [term(7)]);
        assert_eq!((parts[1][0].op(), parts[1][1].op(), parts[1][1].number()), (Op::Not, Op::Leaf, 2));
        assert_eq!(parts[2][0].number(), NUMBER);
    }
}
