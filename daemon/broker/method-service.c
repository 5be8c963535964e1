/* SPDX-License-Identifier: MPL-2.0 */
/* org.varlink.service: what this is, and what it speaks. Answered to everybody who can connect. */
#include "daemon/broker/dispatch.h"

#include <string.h>

#include "gen/broker/methods.h"
#include "proto/interface.h"

#define VENDOR  "tokend"
#define PRODUCT "tokend"
#define URL     "https://varlink.org"

void service_get_info(struct request *request)
{
        request_done(request);
}

static void put_interfaces(struct output *output, void *userdata)
{
        const struct request *request = userdata;
        const char *comma = "";

        for (size_t i = 0; i < n_proto_interfaces; i++) {
                if (!dispatch_serves(request->connection->listener->kind, proto_interfaces[i].name))
                        continue;
                output_text(output, comma);
                output_string(output, proto_interfaces[i].name);
                comma = ",";
        }
}

enum render service_get_info_render(struct request *request, struct output *output)
{
        service_get_info_reply_put(output, &(struct service_get_info_reply){
                                                   .vendor = VENDOR,
                                                   .product = PRODUCT,
                                                   .version = TOKEND_VERSION,
                                                   .url = URL,
                                                   .interfaces = {put_interfaces, request},
                                           });
        return RENDER_LAST;
}

static const struct proto_interface *find_interface(const struct request *request)
{
        const struct service_get_interface_description_parameters *p = (const void *)request->parameters;

        for (size_t i = 0; i < n_proto_interfaces; i++)
                if (strcmp(proto_interfaces[i].name, p->interface) == 0)
                        return &proto_interfaces[i];
        return NULL;
}

void service_get_interface_description(struct request *request)
{
        const struct service_get_interface_description_parameters *p = (const void *)request->parameters;

        if (find_interface(request))
                request_done(request);
        else
                request_fail_with(request, PROTO_INTERFACE_NOT_FOUND, "interface", p->interface);
}

enum render service_get_interface_description_render(struct request *request, struct output *output)
{
        service_get_interface_description_reply_put(output,
                &(struct service_get_interface_description_reply){find_interface(request)->description});
        return RENDER_LAST;
}
