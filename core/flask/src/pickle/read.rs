use super::nodes::{Class, Id, Node, Nodes};
use super::opcode as op;
use super::text::{raw_unicode, text_or_surrogates, unquote};
use crate::value::Kind;
use crate::{FormatError, Integer, Object, Value};

/// Protocols 0 to 5.
const MAX_PROTOCOL: u8 = 5;

pub(crate) fn loads(bytes: &[u8]) -> Result<Value, FormatError> {
    let mut machine = Machine {
        rest: bytes,
        nodes: Nodes::new(bytes.len()),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    let root = machine.run()?;
    // Flask-Session's records end with the pickle.
    if !machine.rest.is_empty() {
        return Err(FormatError::Malformed);
    }
    machine.nodes.expand(root, bytes.len())
}

struct Machine<'a> {
    rest: &'a [u8],
    nodes: Nodes,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    /// In ascending order of the numbers. Pickles number without gaps, so this is as good as an
    /// array, and a number of 2^31 costs no more than others.
    memo: Vec<(u64, Id)>,
}

type Step<T = ()> = Result<T, FormatError>;

impl<'a> Machine<'a> {
    /// Returns the object that the pickle is. Each instruction takes at least a byte, and makes at
    /// most one node of its size.
    fn run(&mut self) -> Step<Id> {
        loop {
            let code = self.byte()?;
            match code {
                op::STOP => {
                    let root = self.pop()?;
                    let clean = self.stack.is_empty() && self.marks.is_empty();
                    return if clean {
                        Ok(root)
                    } else {
                        Err(FormatError::Malformed)
                    };
                }
                op::PROTO => match self.byte()? {
                    0..=MAX_PROTOCOL => {}
                    _ => return Err(FormatError::Malformed),
                },
                // The number of bytes that follow. Not needed, because all bytes are here.
                op::FRAME => _ = self.take(8)?,
                op::NONE => self.plain(Value::None),
                op::NEWTRUE => self.plain(Value::Bool(true)),
                op::NEWFALSE => self.plain(Value::Bool(false)),
                op::INT
                | op::LONG
                | op::BININT
                | op::BININT1
                | op::BININT2
                | op::LONG1
                | op::LONG4 => {
                    let value = self.integer(code)?;
                    self.plain(value);
                }
                op::FLOAT => {
                    let line = self.line()?;
                    let value = line.parse().map_err(|_| FormatError::Malformed)?;
                    self.plain(Value::Float(value));
                }
                op::BINFLOAT => {
                    let value = f64::from_be_bytes(self.array()?);
                    self.plain(Value::Float(value));
                }
                op::STRING | op::BINSTRING | op::SHORT_BINSTRING => {
                    let text = self.old_string(code)?;
                    self.plain(Value::Str(text));
                }
                op::UNICODE => {
                    let text = raw_unicode(self.raw_line()?)?;
                    self.plain(text);
                }
                op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 => {
                    let text = self.counted(code)?;
                    self.plain(text_or_surrogates(text.to_vec())?);
                }
                op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 => {
                    let bytes = self.counted(code)?.to_vec();
                    self.plain(Value::Bytes(bytes));
                }
                op::BYTEARRAY8 => {
                    let bytes = Value::Bytes(self.counted(code)?.to_vec());
                    let array = Object::of(Kind::ByteArray, vec![bytes]);
                    self.plain(Value::Object(array.ok_or(FormatError::Malformed)?));
                }
                op::MARK => self.marks.push(self.stack.len()),
                op::POP => self.drop_top()?,
                op::POP_MARK => _ = self.pop_mark()?,
                op::DUP => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                op::EMPTY_LIST => self.push(Node::List(Vec::new())),
                op::EMPTY_TUPLE => self.push(Node::Tuple(Vec::new())),
                op::EMPTY_DICT => self.push(Node::Dict(Vec::new())),
                op::EMPTY_SET => self.push(Node::Set(Vec::new())),
                op::LIST => self.collect(Node::List)?,
                op::TUPLE => self.collect(Node::Tuple)?,
                op::FROZENSET => self.collect(Node::FrozenSet)?,
                op::DICT => {
                    let items = self.pop_mark()?;
                    if !items.len().is_multiple_of(2) {
                        return Err(FormatError::Malformed);
                    }
                    self.push(Node::Dict(items));
                }
                op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => {
                    let at = self
                        .height()?
                        .checked_sub(usize::from(code - op::TUPLE1) + 1);
                    let items = self
                        .stack
                        .split_off(at.ok_or(FormatError::Malformed)? + self.floor());
                    self.push(Node::Tuple(items));
                }
                op::APPEND => {
                    let item = self.pop()?;
                    self.extend(code, vec![item])?;
                }
                op::SETITEM => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend(code, vec![key, value])?;
                }
                op::APPENDS | op::SETITEMS | op::ADDITEMS => {
                    let items = self.pop_mark()?;
                    self.extend(code, items)?;
                }
                op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.memoize(code)?,
                op::GET | op::BINGET | op::LONG_BINGET => {
                    let number = self.memo_number(code)?;
                    let found = self
                        .memo
                        .binary_search_by_key(&number, |(number, _)| *number);
                    let entry = found.ok().and_then(|at| self.memo.get(at));
                    let (_, id) = *entry.ok_or(FormatError::Malformed)?;
                    self.stack.push(id);
                }
                op::GLOBAL => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.class(module, name)?;
                }
                op::STACK_GLOBAL => {
                    let (name, module) = (self.pop_text()?, self.pop_text()?);
                    self.class(&module, &name)?;
                }
                op::REDUCE | op::NEWOBJ => self.construct()?,
                op::BUILD => {
                    let state = self.pop()?;
                    let object = self.top()?;
                    let built = self.nodes.build(object, state);
                    built.ok_or_else(|| refused("BUILD: the state of an object"))?;
                }
                _ => return Err(forbidden(code)),
            }
        }
    }

    fn push(&mut self, node: Node) {
        let id = self.nodes.add(node);
        self.stack.push(id);
    }

    fn plain(&mut self, value: Value) {
        self.push(Node::Plain(value));
    }

    /// Where the part of the stack begins that is above the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or_default()
    }

    fn height(&self) -> Step<usize> {
        self.stack
            .len()
            .checked_sub(self.floor())
            .ok_or(FormatError::Malformed)
    }

    fn top(&self) -> Step<Id> {
        match self.height()? {
            0 => Err(FormatError::Malformed),
            _ => self.stack.last().copied().ok_or(FormatError::Malformed),
        }
    }

    fn pop(&mut self) -> Step<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// POP takes a mark away, if that is on top.
    fn drop_top(&mut self) -> Step {
        match (self.height()?, self.marks.pop()) {
            (0, Some(_)) => Ok(()),
            (_, mark) => {
                self.marks.extend(mark);
                self.pop().map(drop)
            }
        }
    }

    fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or(FormatError::Malformed)?;
        match mark <= self.stack.len() {
            true => Ok(self.stack.split_off(mark)),
            false => Err(FormatError::Malformed),
        }
    }

    fn pop_text(&mut self) -> Step<String> {
        let id = self.pop()?;
        match self.nodes.get(id) {
            Some(Node::Plain(Value::Str(text))) => Ok(text.clone()),
            _ => Err(FormatError::Malformed),
        }
    }

    fn collect(&mut self, node: fn(Vec<Id>) -> Node) -> Step {
        let items = self.pop_mark()?;
        self.push(node(items));
        Ok(())
    }

    fn extend(&mut self, code: u8, new: Vec<Id>) -> Step {
        let container = self.top()?;
        match (self.nodes.get_mut(container), code) {
            (Some(Node::List(items)), op::APPEND | op::APPENDS) => items.extend(new),
            (Some(Node::Set(items)), op::ADDITEMS) => items.extend(new),
            (Some(Node::Dict(items)), op::SETITEM | op::SETITEMS)
                if new.len().is_multiple_of(2) =>
            {
                items.extend(new);
            }
            _ => return Err(FormatError::Malformed),
        }
        Ok(())
    }

    fn memoize(&mut self, code: u8) -> Step {
        let number = match code {
            op::MEMOIZE => self.memo.len() as u64,
            _ => self.memo_number(code)?,
        };
        let id = self.top()?;
        match self.memo.last() {
            // Out of order, or a second time: no pickler does so.
            Some((last, _)) if *last >= number => return Err(FormatError::Malformed),
            _ => self.memo.push((number, id)),
        }
        Ok(())
    }

    fn memo_number(&mut self, code: u8) -> Step<u64> {
        match code {
            op::BINPUT | op::BINGET => Ok(self.byte()?.into()),
            op::LONG_BINPUT | op::LONG_BINGET => Ok(u32::from_le_bytes(self.array()?).into()),
            _ => self.line()?.parse().map_err(|_| FormatError::Malformed),
        }
    }

    fn class(&mut self, module: &str, name: &str) -> Step {
        match Class::named(module, name) {
            Some(class) => {
                self.push(Node::Class(class));
                Ok(())
            }
            None => Err(refused(well_known(module, name))),
        }
    }

    fn construct(&mut self) -> Step {
        let arguments = self.pop()?;
        let class = self.pop()?;
        // No class takes more than four.
        let parts = match self.nodes.get(arguments) {
            Some(Node::Tuple(parts)) if parts.len() <= 4 => Some(parts.clone()),
            _ => None,
        };
        let node = match (self.nodes.get(class), parts) {
            (Some(Node::Class(class)), Some(parts)) => {
                let class = *class;
                self.nodes.construct(class, &parts)?
            }
            _ => None,
        };
        let node = node.ok_or_else(|| refused("a call with arguments that are not plain data"))?;
        self.push(node);
        Ok(())
    }

    fn integer(&mut self, code: u8) -> Step<Value> {
        Ok(match code {
            op::BININT => Value::Int(i32::from_le_bytes(self.array()?).into()),
            op::BININT1 => Value::Int(self.byte()?.into()),
            op::BININT2 => Value::Int(u16::from_le_bytes(self.array()?).into()),
            op::LONG1 => {
                let len = self.byte()?.into();
                Integer::from_signed_le(self.take(len)?).into()
            }
            op::LONG4 => {
                let len = u32::from_le_bytes(self.array()?)
                    .try_into()
                    .map_err(|_| FormatError::Malformed)?;
                Integer::from_signed_le(self.take(len)?).into()
            }
            op::INT => match self.line()? {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                digits => digits.parse::<Integer>()?.into(),
            },
            _ => {
                let line = self.line()?;
                line.strip_suffix('L')
                    .unwrap_or(line)
                    .parse::<Integer>()?
                    .into()
            }
        })
    }

    /// Python 2's `str`. Python 3 reads it as ASCII.
    fn old_string(&mut self, code: u8) -> Step<String> {
        let bytes = match code {
            op::STRING => return unquote(self.line()?),
            op::SHORT_BINSTRING => self.byte()?.into(),
            _ => u32::from_le_bytes(self.array()?)
                .try_into()
                .map_err(|_| FormatError::Malformed)?,
        };
        let bytes = self.take(bytes)?;
        if !bytes.is_ascii() {
            return Err(FormatError::Unsupported {
                what: "a Python 2 `str` that is not ASCII",
            });
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| FormatError::Malformed)
    }

    /// Bytes after their number.
    fn counted(&mut self, code: u8) -> Step<&'a [u8]> {
        let len = match code {
            op::SHORT_BINUNICODE | op::SHORT_BINBYTES => Ok(self.byte()?.into()),
            op::BINUNICODE | op::BINBYTES => u32::from_le_bytes(self.array()?).try_into(),
            _ => u64::from_le_bytes(self.array()?).try_into(),
        };
        self.take(len.map_err(|_| FormatError::Malformed)?)
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(FormatError::Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take(&mut self, len: usize) -> Step<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(FormatError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn raw_line(&mut self) -> Step<&'a [u8]> {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or(FormatError::Malformed)?;
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line)
    }

    fn line(&mut self) -> Step<&'a str> {
        std::str::from_utf8(self.raw_line()?).map_err(|_| FormatError::Malformed)
    }
}

fn forbidden(code: u8) -> FormatError {
    match code {
        op::INST => refused("INST: a new object"),
        op::OBJ => refused("OBJ: a new object"),
        op::NEWOBJ_EX => refused("NEWOBJ_EX: a new object"),
        op::EXT1 | op::EXT2 | op::EXT4 => refused("EXT: a registered extension"),
        op::PERSID | op::BINPERSID => refused("PERSID: a persistent object"),
        op::NEXT_BUFFER | op::READONLY_BUFFER => refused("an out-of-band buffer"),
        _ => FormatError::Malformed,
    }
}

fn refused(what: &str) -> FormatError {
    FormatError::Refused { what: what.into() }
}

/// Returns the name of a class or function that is refused, if it is a well-known one. A pickle can
/// name any string of the record as one, and no error quotes what it read.
fn well_known(module: &str, name: &str) -> &'static str {
    let mut all = WELL_KNOWN.into_iter();
    all.find(|known| known.rsplit_once('.') == Some((module, name)))
        .unwrap_or("a class or function that is not a well-known one")
}

/// The classes seen in sessions, and those used in attacks.
const WELL_KNOWN: [&str; 44] = [
    "__builtin__.apply",
    "__builtin__.eval",
    "__builtin__.execfile",
    "__builtin__.file",
    "__builtin__.open",
    "__builtin__.setattr",
    "builtins.__import__",
    "builtins.compile",
    "builtins.eval",
    "builtins.exec",
    "builtins.open",
    "builtins.print",
    "builtins.range",
    "builtins.setattr",
    "builtins.slice",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "commands.getoutput",
    "dateutil.tz.tz.tzlocal",
    "dateutil.tz.tz.tzutc",
    "decimal.Decimal",
    "enum.Enum",
    "fractions.Fraction",
    "functools.partial",
    "importlib.import_module",
    "ipaddress.IPv4Address",
    "ipaddress.IPv6Address",
    "nt.system",
    "os.popen",
    "os.system",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "posix.system",
    "pytz.timezone",
    "runpy.run_path",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_output",
    "types.SimpleNamespace",
    "werkzeug.datastructures.ImmutableMultiDict",
    "werkzeug.datastructures.MultiDict",
];
