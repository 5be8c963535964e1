// SPDX-License-Identifier: MPL-2.0
import java.security.*;
import java.security.spec.*;
import java.util.Arrays;
import java.util.concurrent.Callable;
import javax.crypto.*;

/**
 * JavaAlgorithms CONFIGURATION: what SunPKCS11 does with keys `rsa` and `ec` of a token, judged by Java's own providers. Prints `wrong: NAME`
 * and why for each that is not right.
 */
public class JavaAlgorithms {
    static final byte[] MESSAGE = "message".getBytes();

    static void check(String name, Callable<Boolean> body) {
        try {
            if (!body.call())
                System.out.println("wrong: " + name);
        } catch (Exception e) {
            System.out.println("wrong: " + name + ": " + e + ", " + e.getCause());
        }
    }

    static boolean signs(Provider token, String algorithm, PSSParameterSpec parameters, PrivateKey key, PublicKey with, Object judge)
            throws Exception {
        Signature signer = Signature.getInstance(algorithm, token);
        Signature verifier = judge instanceof Provider ? Signature.getInstance(algorithm, (Provider) judge)
                                                       : Signature.getInstance(algorithm, (String) judge);
        if (parameters != null) {
            signer.setParameter(parameters);
            verifier.setParameter(parameters);
        }
        signer.initSign(key);
        signer.update(MESSAGE);
        verifier.initVerify(with);
        verifier.update(MESSAGE);
        return verifier.verify(signer.sign());
    }

    static boolean decrypts(Object encrypter, Provider token, PrivateKey key, PublicKey with) throws Exception {
        String name = "RSA/ECB/PKCS1Padding";
        Cipher one = encrypter instanceof Provider ? Cipher.getInstance(name, (Provider) encrypter)
                                                   : Cipher.getInstance(name, (String) encrypter);
        one.init(Cipher.ENCRYPT_MODE, with);
        Cipher other = Cipher.getInstance(name, token);
        other.init(Cipher.DECRYPT_MODE, key);
        return Arrays.equals(MESSAGE, other.doFinal(one.doFinal(MESSAGE)));
    }

    static boolean agrees(Provider token, PrivateKey key, PublicKey with) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", "SunEC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        KeyPair pair = generator.generateKeyPair();
        KeyAgreement ours = KeyAgreement.getInstance("ECDH", token), theirs = KeyAgreement.getInstance("ECDH", "SunEC");
        ours.init(key);
        ours.doPhase(pair.getPublic(), true);
        theirs.init(pair.getPrivate());
        theirs.doPhase(with, true);
        return Arrays.equals(ours.generateSecret(), theirs.generateSecret());
    }

    public static void main(String[] args) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(args[0]);
        Security.addProvider(token);
        KeyStore store = KeyStore.getInstance("PKCS11", token);
        store.load(null, "none".toCharArray());
        PrivateKey rsa = (PrivateKey) store.getKey("rsa", null), ec = (PrivateKey) store.getKey("ec", null);
        PublicKey withRsa = store.getCertificate("rsa").getPublicKey(), withEc = store.getCertificate("ec").getPublicKey();

        for (String hash : new String[] {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512"}) {
            check(hash + "withRSA", () -> signs(token, hash + "withRSA", null, rsa, withRsa, "SunRsaSign"));
            check(hash + "withECDSA", () -> signs(token, hash + "withECDSA", null, ec, withEc, "SunEC"));
        }
        for (int bits : new int[] {256, 384, 512}) {
            String hash = "SHA-" + bits;
            var parameters = new PSSParameterSpec(hash, "MGF1", new MGF1ParameterSpec(hash), bits / 8, 1);
            check("PSS " + hash, () -> signs(token, "RSASSA-PSS", parameters, rsa, withRsa, "SunRsaSign"));
        }
        check("verify RSA", () -> signs(token, "SHA256withRSA", null, rsa, withRsa, token));
        check("verify ECDSA", () -> signs(token, "SHA256withECDSA", null, ec, withEc, token));
        check("decrypt", () -> decrypts("SunJCE", token, rsa, withRsa));
        check("encrypt", () -> decrypts(token, token, rsa, withRsa));
        check("ECDH", () -> agrees(token, ec, withEc));
        check("random", () -> {
            byte[] bytes = new byte[32];
            SecureRandom.getInstance("PKCS11", token).nextBytes(bytes);
            return !Arrays.equals(bytes, new byte[32]);
        });
        System.out.println("done");
    }
}
