/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_doc: a config as protobuf-c messages, with the place in the text of every field.  One generic loader fills
 * any message from YAML, JSON, or protobuf's binary or text form by descriptor, following Envoy's rules: snake_case and
 * lowerCamelCase names, enums by name in any case or by number, Any with "@type" beside its fields or as a TypedStruct,
 * durations "0.25s", wrappers as scalars, base64 bytes, null as unset, a single mapping or scalar where a list is declared.
 * What it does not know it refuses; all errors of a file are reported at once.
 *
 * Made and freed by one thread; immutable in between, so that any thread may read it.  The messages belong to the
 * document: never give them to protobuf_c_message_free_unpacked.  Freeing wipes, since configs hold secrets.
 *
 * An Any's content is decoded by the loader too and found by sp_doc_any; Any.value stays empty.
 */
#ifndef SP_CONFIG_DOC_H
#define SP_CONFIG_DOC_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/diag.h"
#include "google/protobuf/any.pb-c.h"

enum { SP_CONFIG_MAX_BYTES = 64 << 20 };

enum sp_syntax { SP_SYNTAX_YAML, SP_SYNTAX_JSON, SP_SYNTAX_PB, SP_SYNTAX_PB_TEXT };

struct sp_doc;
struct sp_file_facts; /* event/file_watch.h */
struct sp_files;      /* config/files.h */
struct sp_live_set;   /* config/live.h */

/*
 * Load a message of type `root`.  Files named .yaml and .yml are YAML, .pb protobuf's binary and .pb_text its text form, all
 * others JSON.  NULL after an error; then `diag` has at least one.  `name` stands for the file in messages.
 */
struct sp_doc *sp_doc_load_file(const char *path, const ProtobufCMessageDescriptor *root, struct sp_diag *diag);
struct sp_doc *sp_doc_load_text(const char *name, struct sp_str text, enum sp_syntax syntax,
                                const ProtobufCMessageDescriptor *root, struct sp_diag *diag);
/* NULL-safe. */
void sp_doc_free(struct sp_doc *doc);

/*
 * Merges `over` into `doc` as protobuf merges messages: scalars that are set and Any override, lists append,
 * map entries replace, messages merge.  Takes `over`, which must not be used afterwards.  Same root type.
 */
void sp_doc_merge(struct sp_doc *doc, struct sp_doc *over);

/* Bytes that it holds, about. */
size_t sp_doc_size(const struct sp_doc *doc);
/* The root message; of the type it was loaded as. */
const void *sp_doc_root(const struct sp_doc *doc);
/* Where what is compiled from this document enters what it reads from files or fetches; freed with the document. */
struct sp_live_set *sp_doc_live(const struct sp_doc *doc);
/* The same of what is compiled from here on: the live set of an object that outlives the document. Returns what it was: to be put back. */
struct sp_live_set *sp_doc_set_live(const struct sp_doc *doc, struct sp_live_set *set);
/*
 * What is compiled from this document depends on that file and nobody watches it: call it before reading.  Only while configs
 * are compiled.  Files that a sp_live watches are not entered.
 */
void sp_doc_reads(const struct sp_doc *doc, const char *path);
/* The document's own files, and those that were read for it: config/files.h. */
struct sp_files *sp_doc_files(const struct sp_doc *doc);
void sp_doc_each_file(const struct sp_doc *doc, void (*each)(void *arg, const char *path, const struct sp_file_facts *facts), void *arg);
/*
 * A new message, of any type, that stands where `msg` does: errors about it show that place.  Of msg's own type it is a
 * shallow copy.  For what a config says in short.  Only while configs are compiled; freed with the document.
 */
void *sp_doc_derive(const struct sp_doc *doc, const void *msg, const ProtobufCMessageDescriptor *desc);
/* An Any's content, or NULL if `any` is NULL. */
const ProtobufCMessage *sp_doc_any(const struct sp_doc *doc, const Google__Protobuf__Any *any);
/* The same if it is of type `desc`, otherwise NULL. */
const void *sp_doc_any_as(const struct sp_doc *doc, const Google__Protobuf__Any *any,
                          const ProtobufCMessageDescriptor *desc);

/*
 * Whether `child`, which stands in a field of `msg`, is not written there but was put there from a file that a ConfigSource
 * names (config/set.h).  Dumps leave such out; each file has them once.
 */
bool sp_doc_grafted(const struct sp_doc *doc, const void *msg, const void *child);

/* Every message that is written, those in Any and in files that the root names too, each once; a message before what is in it. */
void sp_doc_each(const struct sp_doc *doc, void (*each)(void *arg, const ProtobufCMessage *msg), void *arg);

/*
 * Whether the text has the field, be it empty: `allow: []` is written, though it has no elements, and
 * `foo: null` is not.
 */
bool sp_doc_written(const struct sp_doc *doc, const void *msg, const char *field);
/*
 * Where `msg`, its field (unless NULL) or the field's element (unless -1) is written.  A field that is not
 * written has its message's place.  {0} for messages that are not of this document.
 */
struct sp_mark sp_doc_mark(const struct sp_doc *doc, const void *msg, const char *field, int index);
/* Its path, such as static_resources.listeners[0].address, in `arena`; "" for the root and foreign messages. */
struct sp_str sp_doc_path(const struct sp_doc *doc, const void *msg, const char *field, int index,
                          struct sp_arena *arena);

/* Report what is wrong with `msg`, its field or the field's element (as in sp_doc_mark), with place and path. */
void sp_doc_err(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, int index,
                const char *fmt, ...) SP_PRINTF(6, 7);
void sp_doc_warn(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, int index,
                 const char *fmt, ...) SP_PRINTF(6, 7);

#endif
