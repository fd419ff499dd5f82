/** Comma-separated values as RFC 4180 has them: quoted fields, doubled quotes, line ends inside quotes, CRLF or LF. */

/** Rows of fields; a final line end adds no row. Throws SyntaxError with the line where a quote was never closed. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let position = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  let line = 1;
  while (position < text.length) {
    const field = text[position] === '"' ? quotedField(text, position, line) : plainField(text, position);
    row.push(field.value);
    line += field.lines;
    position = field.next;
    if (text[position] === ',') {
      position++;
      if (position === text.length) row.push('');
      else continue;
    } else if (text[position] === '\r' && text[position + 1] === '\n') position += 2;
    else position++;
    line++;
    rows.push(row);
    row = [];
  }
  return rows;
}

interface Field {
  value: string;
  next: number;
  lines: number;
}

function plainField(text: string, start: number): Field {
  let next = start;
  while (next < text.length && text[next] !== ',' && text[next] !== '\n' && !(text[next] === '\r' && text[next + 1] === '\n')) next++;
  return { value: text.slice(start, next), next, lines: 0 };
}

function quotedField(text: string, start: number, line: number): Field {
  let value = '';
  let from = start + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new SyntaxError(`line ${line}: a quoted field is never closed`);
    value += text.slice(from, quote);
    if (text[quote + 1] !== '"') {
      const after = plainField(text, quote + 1);
      value += after.value;
      return { value, next: after.next, lines: value.split('\n').length - 1 };
    }
    value += '"';
    from = quote + 2;
  }
}
