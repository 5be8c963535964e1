/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/util if memory is short. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/util/buffer.h"
#include "daemon/util/text.h"
#include "daemon/util/uri.h"
#include "tests/unit/alloc.h"
#include "tests/unit/suite.h"

static int parse_uri(void *userdata)
{
        _cleanup_(uri_done) struct uri uri = {0};
        int r = uri_parse(
                "pkcs11:token=a%20b;serial=1;manufacturer=m;model=o;slot-id=3;library-version=2;object=x;"
                "id=%01%02;type=private",
                &uri);

        if (r == 0) {
                CU_ASSERT_STRING_EQUAL(uri.parts[URI_TOKEN], "a b");
                CU_ASSERT_STRING_EQUAL(uri.object, "x");
                CU_ASSERT_EQUAL(uri.id_length, 2);
        }
        return r;
}

static void test_uri(void)
{
        alloc_fail_each(parse_uri, NULL, -ENOMEM);
}

static int explain_uri(void *userdata)
{
        _cleanup_(freep) char *fault = NULL;
        int r = uri_fault("pkcs11:token=a;color=red", &fault);

        if (r == 0)
                CU_ASSERT_PTR_NOT_NULL(strstr(fault, "color"));
        return r;
}

static void test_uri_fault(void)
{
        alloc_fail_each(explain_uri, NULL, -ENOMEM);
}

static int read_text(void *userdata)
{
        _cleanup_(freep) char *text = NULL;
        size_t length;
        int r = text_read(*(int *)userdata, 100000, &text, &length);

        if (r == 0) {
                CU_ASSERT_EQUAL(length, 60000);
                CU_ASSERT_EQUAL(text[59999], 'x');
        }
        return r;
}

static void test_read(void)
{
        static char text[60000];
        int fd = memfd_create("tokend-unit", MFD_CLOEXEC);

        memset(text, 'x', sizeof(text));
        CU_ASSERT_EQUAL_FATAL(write(fd, text, sizeof(text)), (ssize_t)sizeof(text));
        alloc_fail_each(read_text, &fd, -ENOMEM);
        close(fd);
}

static int fill(void *userdata)
{
        struct buffer buffer = {0};
        char *text;
        size_t length = 0;

        for (int i = 0; i < 1000; i++) {
                buffer_put_text(&buffer, "piece ");
                buffer_put_format(&buffer, "%04d", i);
                buffer_put(&buffer, "\n", 1);
        }
        text = buffer_take(&buffer);
        CU_ASSERT_PTR_NULL(buffer.data);
        if (!text)
                return -ENOMEM;
        for (const char *line = text; *line; line = strchr(line, '\n') + 1, length++)
                CU_ASSERT_EQUAL(atoi(line + strlen("piece ")), (int)length);
        CU_ASSERT_EQUAL(length, 1000);
        free(text);
        return 0;
}

static void test_buffer(void)
{
        alloc_fail_each(fill, NULL, -ENOMEM);
}

static void test_empty_buffer(void)
{
        struct buffer buffer = {0};
        char *text = buffer_take(&buffer);

        CU_ASSERT_STRING_EQUAL(text, "");
        free(text);
        buffer_put(&buffer, NULL, 0);
        buffer_done(&buffer);
}

SUITE(util_no_memory, {"a URI is read whole, or there is no memory", test_uri},
        {"what is wrong with a URI is told whole, or there is no memory", test_uri_fault},
        {"a file is read whole, or there is no memory", test_read},
        {"no text comes out of a buffer with a piece missing", test_buffer},
        {"a buffer of nothing is an empty text", test_empty_buffer});
