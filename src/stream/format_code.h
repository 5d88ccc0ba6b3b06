/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a format is compiled to (stream/format.h): a list of instructions, run from the first to the last.  For the format
 * files only.
 */
#ifndef SP_STREAM_FORMAT_CODE_H
#define SP_STREAM_FORMAT_CODE_H

#include "stream/format_op.h"

enum sp_fmt_code {
    SP_FMT_LITERAL,     /* text */
    SP_FMT_TEXT,        /* an operator in a text; `text`: the literal before it */
    SP_FMT_JSON_VALUE,  /* an operator as a JSON value; with `text` ("key":) before it, both left out when it has none and
                           empty values are omitted */
    SP_FMT_JSON_TEXT,   /* an operator within a JSON string; likewise */
    /* Where values may be left out, commas are put when it is known that something follows: */
    SP_FMT_JSON_COMMA,  /* a comma unless it is the first */
    SP_FMT_JSON_FIRST,  /* text; what follows is the first of its object or list */
    SP_FMT_JSON_END,    /* text; what follows is not */
};

struct sp_fmt_instr {
    enum sp_fmt_code code;
    struct sp_str text;
    struct sp_fmt_op op;
};

struct sp_format {
    struct sp_arena arena;
    bool json, omit_empty, sorted; /* sorted: members of objects by their names */
    struct sp_fmt_instr *v; /* n of them */
    unsigned n, cap;
};

/* Compiling: each appends instructions to f; false after an error. */
struct sp_fmt_instr *sp_fmt_emit(struct sp_format *f, enum sp_fmt_code code, struct sp_str text);
/* An operator (TEXT, JSON_TEXT), with the literal before it in one: half the instructions, and half the memory that a line goes through. */
void sp_fmt_emit_op(struct sp_format *f, enum sp_fmt_code code, const struct sp_fmt_op *op);
/* Literal bytes, joined with a literal before. */
void sp_fmt_literal(struct sp_format *f, struct sp_str text);

/* One piece of a format's text: a literal, or an operator when `op` is set. */
struct sp_fmt_piece {
    struct sp_str literal;
    bool is_op;
    struct sp_fmt_op op;
};
/* Takes the next piece of *text; false at its end or after an error (*ret_bad). */
bool sp_fmt_next_piece(const struct sp_fmt_parse *p, struct sp_str *text, struct sp_fmt_piece *ret, bool *ret_bad);

bool sp_fmt_compile_json(struct sp_format *f, struct sp_fmt_parse *p, const Google__Protobuf__Struct *object);

#endif
