/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command operators of formats (stream/format.h): the table of their names, how their parameters are read, and how
 * each gets its value.  For the format files of this directory only.
 */
#ifndef SP_STREAM_FORMAT_OP_H
#define SP_STREAM_FORMAT_OP_H

#include "stream/format.h"
#include "stream/time_format.h"

enum sp_fmt_kind {
    SP_FMT_NONE,   /* no value: "-", null, nothing */
    SP_FMT_STR,    /* bytes, perhaps a peer's */
    SP_FMT_SAFE,   /* bytes that need no escape */
    SP_FMT_NUM,
    SP_FMT_LIST,   /* strings to be joined with ',' */
    SP_FMT_JSON,   /* a JSON text */
    SP_FMT_NS,     /* a whole namespace of dynamic metadata, as a JSON object */
    SP_FMT_WRITTEN, /* by a function of the operator's own */
    SP_FMT_BODY,   /* bytes that a text takes as they are: the body of a local reply */
};

struct sp_writer;
struct sp_fmt_op;

/* Where a value is written: in a text, within a JSON string, or as a JSON value of its own. */
enum sp_fmt_place { SP_FMT_IN_TEXT, SP_FMT_IN_STRING, SP_FMT_ALONE };
/* Escapes what peers sent, and of a value of its own writes all, quotes too. Nothing cuts it. */
typedef void sp_fmt_write(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_writer *w,
                          enum sp_fmt_place place);

struct sp_fmt_value {
    enum sp_fmt_kind kind;
    uint64_t num;
    struct sp_str str; /* may point into buf */
    const struct sp_str *list;
    unsigned n_list;
    sp_fmt_write *write;
    char buf[SP_TIME_TEXT_MAX];
};

/* A header to look for: one of the pseudo-headers' fields, or a line. */
struct sp_fmt_header {
    struct sp_str name; /* lower-case; empty: none */
    uint8_t id, pseudo;
};

typedef void sp_fmt_get(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v);

struct sp_fmt_op {
    sp_fmt_get *get;
    uint32_t max_len; /* bytes; UINT32_MAX: no limit */
    int arg, arg2;    /* the getter's own */
    struct sp_fmt_header header[2]; /* X?Y */
    struct sp_str text;             /* a constant, a parameter's name, a namespace */
    struct sp_str *path;            /* n_path keys below the namespace */
    unsigned n_path;
    const struct sp_time_format *time;
    struct sp_live *secret; /* of a static secret */
    bool masked; /* addresses: cut to `bits` */
    uint8_t bits;
};

/* Where a format is compiled and how its errors are told: `where` is put before them, as "%REQ%: ". */
struct sp_fmt_parse {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const void *msg;
    const char *field;
    int index;
    struct sp_arena *arena; /* the format's */
    bool secrets;           /* %SECRET% may stand here */
};
void sp_fmt_err(const struct sp_fmt_parse *p, const char *fmt, ...) SP_PRINTF(2, 3);

/* Compiles %NAME(params):max_len%. False after an error. */
bool sp_fmt_op_parse(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str name, const struct sp_str *params,
                     uint32_t max_len);

/* One line of the table. */
enum sp_fmt_params { SP_FMT_NO_PARAMS, SP_FMT_MAY_HAVE_PARAMS, SP_FMT_NEEDS_PARAMS };
struct sp_fmt_desc {
    const char *name;
    sp_fmt_get *get;
    int arg, arg2;
    /* Reads the parameters (a NULL slice when there are none); NULL: there are none to read. */
    bool (*parse)(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params);
    enum sp_fmt_params params;
    bool length; /* :Z may follow */
};
/* The table's parts, each ending with a NULL name. */
extern const struct sp_fmt_desc sp_fmt_ops_http[], sp_fmt_ops_timing[], sp_fmt_ops_conn[], sp_fmt_ops_attempt[], sp_fmt_ops_cert[],
    sp_fmt_ops_decision[], sp_fmt_ops_secret[], sp_fmt_ops_trace[];

/* Shared by them. An empty text is no value. */
static inline void sp_fmt_set(struct sp_fmt_value *v, enum sp_fmt_kind kind, struct sp_str s)
{
    v->kind = s.len ? kind : SP_FMT_NONE;
    v->str = s;
}
static inline void sp_fmt_number(struct sp_fmt_value *v, uint64_t n)
{
    v->kind = SP_FMT_NUM;
    v->num = n;
}
static inline void sp_fmt_written(struct sp_fmt_value *v, bool any, sp_fmt_write *write)
{
    v->kind = any ? SP_FMT_WRITTEN : SP_FMT_NONE;
    v->write = write;
}
bool sp_fmt_parse_time(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params, bool local,
                       const char *otherwise);

#endif
