/* SPDX-License-Identifier: MPL-2.0 */
/* See accel.h: what both ends of a transfer must do alike. */
#include "daemon/worker/accel/accel.h"

CK_MECHANISM_TYPE wrap_mechanism(const struct slot_token *token)
{
        if (slot_token_has_mechanism(token, CKM_AES_KEY_WRAP_KWP))
                return CKM_AES_KEY_WRAP_KWP;
        /* The older name; SoftHSM means RFC 5649 by it. Where another module means something else, the copy does not
         * unwrap, or does not match its public key. */
        return slot_token_has_mechanism(token, CKM_AES_KEY_WRAP_PAD) ? CKM_AES_KEY_WRAP_PAD
                                                                     : CKM_VENDOR_DEFINED;
}

CK_MECHANISM wrap_oaep(CK_RSA_PKCS_OAEP_PARAMS *params)
{
        *params = (CK_RSA_PKCS_OAEP_PARAMS){
                .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
        return (CK_MECHANISM){CKM_RSA_PKCS_OAEP, params, sizeof(*params)};
}

bool wrap_can(const struct slot_token *token)
{
        return wrap_mechanism(token) != CKM_VENDOR_DEFINED &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_OAEP) &&
               slot_token_has_mechanism(token, CKM_AES_KEY_GEN);
}

bool wrap_can_take(const struct slot_token *token)
{
        return wrap_mechanism(token) != CKM_VENDOR_DEFINED &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_OAEP) &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_KEY_PAIR_GEN);
}
