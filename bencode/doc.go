// Package bencode reads and writes bencode, the encoding of BEP 3: integers i42e, byte strings 4:spam, lists l...e and
// dictionaries d...e.
//
// The decoder is total and bounded. It never recurses, allocates at most four times the input plus a constant (one array
// of offsets, sized by a counting pass), and leaves all payload in the caller's buffer: a Node is a cursor into it. So the
// caller must keep the input unchanged while any Node, or bytes taken from one, is in use.
//
// What real files get wrong without harm (unsorted or repeated keys, leading zeros) parses and can be asked for with
// Node.SoftError; Limits.Strict makes it an error. Everything else that BEP 3 does not allow is a *SyntaxError with the
// offset of the offending byte.
package bencode
