//! The program of a query: its tree over leaves in a flat form, so that its steps are contiguous in memory.
//!
//! A program is a sequence of steps in prefix order. AND, OR and NOT steps hold the number of steps of their whole
//! subtree, so that an operand can be skipped without reading its steps.

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// A single word, anywhere in the item.
    Term,
    /// Any other expression that has positions.
    Leaf,
    Field,
    And,
    Or,
    Not,
}

/// One step: its kind in the high bits; below it the number of the term, leaf or field, or the length of the subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step(u32);

/// Bits of a step below its kind.
const NUMBER_BITS: u32 = 29;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;

impl Step {
    /// Creates a step. Numbers are below 2^29: more terms or leaves do not fit into memory.
    pub(super) fn new(op: Op, number: u32) -> Self {
        Self((op as u32) << NUMBER_BITS | (number & NUMBER_MASK))
    }

    pub(super) fn op(self) -> Op {
        match self.0 >> NUMBER_BITS {
            0 => Op::Term,
            1 => Op::Leaf,
            2 => Op::Field,
            3 => Op::And,
            4 => Op::Or,
            _ => Op::Not,
        }
    }

    pub(super) fn number(self) -> u32 {
        self.0 & NUMBER_MASK
    }

    /// Returns the number of steps of this step and its operands.
    fn length(self) -> usize {
        match self.op() {
            Op::Term | Op::Leaf | Op::Field => 1,
            Op::And | Op::Or | Op::Not => self.number() as usize,
        }
    }
}

/// Splits the steps after an AND, OR or NOT into its operands.
pub(super) fn operands(mut steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    std::iter::from_fn(move || {
        let (operand, rest) = steps.split_at_checked(steps.first()?.length())?;
        steps = rest;
        Some(operand)
    })
}

/// Appends an AND, OR or NOT step, and the operands that `write_operands` appends.
pub(super) fn push_operator(program: &mut Vec<Step>, op: Op, write_operands: impl FnOnce(&mut Vec<Step>)) {
    let at = program.len();
    program.push(Step::new(op, 0));
    write_operands(program);
    let length = u32::try_from(program.len() - at).unwrap_or(NUMBER_MASK);
    if let Some(step) = program.get_mut(at) {
        *step = Step::new(op, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_split_as_written() {
        let term = |number| Step::new(Op::Term, number);
        let mut program = Vec::new();
        push_operator(&mut program, Op::And, |program| {
            program.push(term(7));
            push_operator(program, Op::Not, |program| program.push(Step::new(Op::Leaf, 2)));
            program.push(term(NUMBER_MASK));
        });
        let (first, rest) = program.split_first().unwrap();
        assert_eq!((first.op(), first.length()), (Op::And, 5));
        let operands: Vec<&[Step]> = operands(rest).collect();
        assert_eq!(operands.len(), 3);
        assert_eq!(operands[0], [term(7)]);
        assert_eq!(
            (operands[1][0].op(), operands[1][1].op(), operands[1][1].number()),
            (Op::Not, Op::Leaf, 2)
        );
        assert_eq!(operands[2][0].number(), NUMBER_MASK);
    }
}
