/* SPDX-License-Identifier: MPL-2.0 */
/* Tables for people: every column as wide as its widest cell, in columns of the terminal and not in bytes. */
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"
#include "daemon/util/text.h"

void table_init(struct table *table, const char *const *heads, unsigned n_columns)
{
        *table = (struct table){.heads = heads, .n_columns = n_columns};
}

void table_done(struct table *table)
{
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i]);
        free(table->cells);
        *table = (struct table){0};
}

void table_add(struct table *table, const char *text)
{
        char **cells = reallocarray(table->cells, table->n_cells + 1, sizeof(*cells));
        char *cell = printable_new(text && *text ? text : "-");

        if (cells)
                table->cells = cells;
        if (cells && cell)
                cells[table->n_cells++] = cell;
        else
                free(cell);
        table->failed |= !cells || !cell;
}

void table_addf(struct table *table, const char *format, ...)
{
        _cleanup_(freep) char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = text_format_args(format, arguments);
        va_end(arguments);
        table->failed |= !text;
        table_add(table, text);
}

static bool is_right(const struct table *table, unsigned column)
{
        return table->heads[column][0] == '>';
}

static const char *head_of(const struct table *table, unsigned column)
{
        return table->heads[column] + is_right(table, column);
}

static size_t width_of(const struct table *table, unsigned column)
{
        size_t width = terminal_width(head_of(table, column));

        for (size_t i = column; i < table->n_cells; i += table->n_columns) {
                size_t cell = terminal_width(table->cells[i]);

                width = cell > width ? cell : width;
        }
        return width;
}

static void print_cell(const struct table *table, unsigned column, size_t width, const char *text,
        const char *color, FILE *to)
{
        bool last = column + 1 == table->n_columns, right = is_right(table, column);
        int pad = (int)(width - terminal_width(text));

        fprintf(to, "%*s%s%s%s%*s%s", right ? pad : 0, "", color ? color : "", text, color ? "\033[0m" : "",
                right || last ? 0 : pad, "", last ? "\n" : "  ");
}

/* Columns of the terminal; 0: it is none, and lines may be as long as they are. */
static size_t columns_of(FILE *to)
{
        struct winsize size = {0};

        if (!isatty(fileno(to)))
                return 0;
        return ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* A row that is wider than the terminal would be broken anywhere: its cells stand below each other. */
static void print_upright(
        const struct table *table, FILE *to, const char *(*color_of)(unsigned column, const char *text))
{
        size_t width = 0;

        for (unsigned i = 0; i < table->n_columns; i++)
                width = MAX_OF(width, terminal_width(head_of(table, i)));
        for (size_t i = 0; i < table->n_cells; i++) {
                unsigned column = (unsigned)(i % table->n_columns);
                const char *head = head_of(table, column), *cell = table->cells[i];
                const char *color = color_of ? color_of(column, cell) : NULL;

                if (column == 0 && i > 0)
                        fprintf(to, "\n");
                fprintf(to, "%s%*s  %s%s%s\n", head, (int)(width - terminal_width(head)), "",
                        color ? color : "", cell, color ? "\033[0m" : "");
        }
}

int table_print(
        const struct table *table, FILE *to, const char *(*color_of)(unsigned column, const char *text))
{
        _cleanup_(freep) size_t *widths = calloc(table->n_columns, sizeof(*widths));
        size_t columns = columns_of(to), total = 0;

        if (table->failed || !widths)
                return -ENOMEM;
        for (unsigned i = 0; i < table->n_columns; i++) {
                widths[i] = width_of(table, i);
                total += widths[i] + (i > 0 ? 2 : 0);
        }
        if (columns > 0 && total > columns) {
                print_upright(table, to, color_of);
                return 0;
        }
        for (unsigned i = 0; i < table->n_columns; i++) {
                print_cell(table, i, widths[i], head_of(table, i), NULL, to);
        }
        for (size_t i = 0; i < table->n_cells; i++) {
                unsigned column = (unsigned)(i % table->n_columns);

                print_cell(table, column, widths[column], table->cells[i],
                        color_of ? color_of(column, table->cells[i]) : NULL, to);
        }
        return 0;
}
