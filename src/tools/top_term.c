/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/top_term.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ESC "\x1b["

static struct {
    struct termios before;
    sigset_t mask; /* as it was */
    bool open, color, hung_up;
    unsigned char keys[64]; /* n read, at taken */
    size_t n, at;
} term;
static volatile sig_atomic_t ended, resized;

static void on_signal(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else
        ended = 1;
}

static void put(const char *text, size_t n)
{
    while (n) {
        ssize_t w = write(STDOUT_FILENO, text, n);
        if (w < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, 1000);
        else if (w < 0 && errno != EINTR)
            return;
        if (w > 0) {
            text += w;
            n -= (size_t)w;
        }
    }
}

static void put_text(const char *text)
{
    put(text, strlen(text));
}

bool sp_top_term_open(bool color)
{
    static const int signals[] = {SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &term.before) < 0)
        return false;
    struct termios raw = term.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    sigset_t ours;
    sigemptyset(&ours);
    struct sigaction action = {.sa_handler = on_signal};
    for (size_t i = 0; i < SP_ARRAY_LEN(signals); i++) {
        sigaddset(&ours, signals[i]);
        sigaction(signals[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &ours, &term.mask);
    for (size_t i = 0; i < SP_ARRAY_LEN(signals); i++)
        sigdelset(&term.mask, signals[i]);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
        return false;
    term.open = true;
    term.color = color;
    put_text(ESC "?1049h" ESC "?25l" ESC "2J"); /* the alternate screen, no cursor */
    return true;
}

void sp_top_term_close(void)
{
    if (!term.open)
        return;
    put_text(ESC "0m" ESC "?25h" ESC "?1049l");
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &term.before);
    term.open = false;
}

void sp_top_term_size(unsigned *ret_width, unsigned *ret_height)
{
    struct winsize w;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col && w.ws_row;
    *ret_width = known ? w.ws_col : 80;
    *ret_height = known ? w.ws_row : 24;
}

bool sp_top_term_ended(void)
{
    return ended;
}

bool sp_top_term_resized(void)
{
    bool was = resized;
    resized = 0;
    return was;
}

const sigset_t *sp_top_term_mask(void)
{
    return &term.mask;
}

bool sp_top_term_hung_up(void)
{
    return term.hung_up;
}

/* ---- keys ---- */

static void fill(void)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    memmove(term.keys, term.keys + term.at, term.n - term.at);
    term.n -= term.at;
    term.at = 0;
    if (term.n == sizeof(term.keys) || poll(&p, 1, 0) <= 0)
        return;
    ssize_t n = read(STDIN_FILENO, term.keys + term.n, sizeof(term.keys) - term.n);
    if (n > 0)
        term.n += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        term.hung_up = true;
}

/* What follows "ESC [" or "ESC O", and how long that is. */
static int sequence(const unsigned char *p, size_t n, size_t *ret_used)
{
    static const struct {
        const char *text;
        int key;
    } known[] = {{"A", SP_KEY_UP}, {"B", SP_KEY_DOWN}, {"H", SP_KEY_HOME}, {"F", SP_KEY_END}, {"5~", SP_KEY_PAGE_UP},
                 {"6~", SP_KEY_PAGE_DOWN}, {"1~", SP_KEY_HOME}, {"4~", SP_KEY_END}};
    size_t end = 0;
    while (end < n && (p[end] < '@' || p[end] > '~'))
        end++;
    *ret_used = end < n ? end + 1 : n;
    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++)
        if (*ret_used == strlen(known[i].text) && memcmp(p, known[i].text, *ret_used) == 0)
            return known[i].key;
    return SP_KEY_OTHER;
}

int sp_top_term_key(void)
{
    if (term.at == term.n)
        fill();
    if (term.at == term.n)
        return SP_KEY_NONE;
    unsigned char c = term.keys[term.at++];
    size_t left = term.n - term.at, used = 0;
    if (c == 0x1b && left && (term.keys[term.at] == '[' || term.keys[term.at] == 'O')) {
        int key = sequence(term.keys + term.at + 1, left - 1, &used);
        term.at += 1 + used;
        return key;
    }
    if (c == 0x1b)
        return SP_KEY_ESC;
    if (c == '\r' || c == '\n')
        return SP_KEY_ENTER;
    if (c == 0x7f || c == 8)
        return SP_KEY_BACKSPACE;
    return c >= ' ' && c < 0x7f ? c : SP_KEY_OTHER;
}

/* ---- drawing ---- */

void sp_top_term_draw(const struct sp_top_line *lines, unsigned n)
{
    static const char *const styles[SP_TOP_STYLES] = {"", ESC "7m", ESC "1;31m", ESC "33m", ESC "32m", ESC "2m"};
    /* Without colours: what is wrong stands out by being bold, the heads by being inverse. */
    static const char *const plain[SP_TOP_STYLES] = {"", ESC "7m", ESC "1m", "", "", ""};
    unsigned width, height;
    char *text = NULL;
    size_t len = 0;
    sp_top_term_size(&width, &height);
    FILE *to = open_memstream(&text, &len);
    if (!to)
        abort();
    fputs(ESC "?2026h" ESC "H", to); /* one update, where the terminal knows that */
    for (unsigned i = 0; i < height; i++) {
        const struct sp_top_line *l = i < n ? &lines[i] : NULL;
        const char *style = l ? (term.color ? styles : plain)[l->style] : "";
        fprintf(to, "%s%s%s" ESC "K%s", style, l ? l->text : "", *style ? ESC "0m" : "", i + 1 < height ? "\r\n" : "");
    }
    fputs(ESC "?2026l", to);
    fclose(to);
    put(text, len);
    free(text);
}
