/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/chars.h"

#define SAME(c) [c] = (c)
#define UPPER(c) [c] = (c) | 0x20

const unsigned char sp_tchar_lower[256] = {
    SAME('!'), SAME('#'), SAME('$'), SAME('%'), SAME('&'), SAME('\''), SAME('*'), SAME('+'), SAME('-'), SAME('.'),
    SAME('^'), SAME('_'), SAME('`'), SAME('|'), SAME('~'),
    SAME('0'), SAME('1'), SAME('2'), SAME('3'), SAME('4'), SAME('5'), SAME('6'), SAME('7'), SAME('8'), SAME('9'),
    SAME('a'), SAME('b'), SAME('c'), SAME('d'), SAME('e'), SAME('f'), SAME('g'), SAME('h'), SAME('i'), SAME('j'),
    SAME('k'), SAME('l'), SAME('m'), SAME('n'), SAME('o'), SAME('p'), SAME('q'), SAME('r'), SAME('s'), SAME('t'),
    SAME('u'), SAME('v'), SAME('w'), SAME('x'), SAME('y'), SAME('z'),
    UPPER('A'), UPPER('B'), UPPER('C'), UPPER('D'), UPPER('E'), UPPER('F'), UPPER('G'), UPPER('H'), UPPER('I'),
    UPPER('J'), UPPER('K'), UPPER('L'), UPPER('M'), UPPER('N'), UPPER('O'), UPPER('P'), UPPER('Q'), UPPER('R'),
    UPPER('S'), UPPER('T'), UPPER('U'), UPPER('V'), UPPER('W'), UPPER('X'), UPPER('Y'), UPPER('Z'),
};
