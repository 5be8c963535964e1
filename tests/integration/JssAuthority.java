// SPDX-License-Identifier: MPL-2.0
// JssAuthority DATABASE PIN TOKEN: what a KRA and a TKS ask of a token, through JSS as Dogtag's CryptoUtil and SessionKey ask it. Each line
// of the input is a call: words, bytes in hexadecimal, - for none. Each is answered by one line: the bytes, or "failed" and the reason.
// Keys that are made have names, by which the lines that follow call them.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.security.PublicKey;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.MGF1ParameterSpec;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import org.mozilla.jss.CryptoManager;
import org.mozilla.jss.InitializationValues;
import org.mozilla.jss.crypto.Cipher;
import org.mozilla.jss.crypto.CryptoToken;
import org.mozilla.jss.crypto.EncryptionAlgorithm;
import org.mozilla.jss.crypto.IVParameterSpec;
import org.mozilla.jss.crypto.KeyGenAlgorithm;
import org.mozilla.jss.crypto.KeyGenerator;
import org.mozilla.jss.crypto.KeyPairAlgorithm;
import org.mozilla.jss.crypto.KeyPairGenerator;
import org.mozilla.jss.crypto.KeyWrapAlgorithm;
import org.mozilla.jss.crypto.KeyWrapper;
import org.mozilla.jss.crypto.PrivateKey;
import org.mozilla.jss.crypto.SymmetricKey;
import org.mozilla.jss.pkcs11.PK11PubKey;
import org.mozilla.jss.pkcs11.PK11SymKey;
import org.mozilla.jss.symkey.SessionKey;
import org.mozilla.jss.util.Password;

public class JssAuthority {
    static final Map<String, SymmetricKey> secrets = new HashMap<>();
    static final Map<String, PrivateKey> privates = new HashMap<>();
    static CryptoManager manager;
    static CryptoToken token;

    static byte[] bytes(String hex) {
        return hex.equals("-") ? null : HexFormat.of().parseHex(hex);
    }

    static KeyWrapAlgorithm wrapAlgorithm(String name) {
        switch (name) {
        case "rsa_pkcs1":
            return KeyWrapAlgorithm.RSA;
        case "aes_cbc_pad":
            return KeyWrapAlgorithm.AES_CBC_PAD;
        case "aes_kwp":
            return KeyWrapAlgorithm.AES_KEY_WRAP_PAD_KWP;
        default:
            return KeyWrapAlgorithm.RSA_OAEP;
        }
    }

    static AlgorithmParameterSpec parameter(String name, byte[] iv) {
        String hash = name.equals("rsa_oaep_sha1") ? "SHA-1" : "SHA-256";
        if (name.startsWith("rsa_oaep"))
            return new OAEPParameterSpec(hash, "MGF1", new MGF1ParameterSpec(hash), PSource.PSpecified.DEFAULT);
        return iv == null ? null : new IVParameterSpec(iv);
    }

    static PublicKey publicKey(String hex) throws Exception {
        return PK11PubKey.fromSPKI(bytes(hex));
    }

    // The private key of a certificate, as a KRA finds its transport key.
    static PrivateKey transport(String nickname) throws Exception {
        return manager.findPrivKeyByCert(manager.findCertByNickname(token.getName() + ":" + nickname));
    }

    static KeyWrapper unwrapper(String by, String algorithm, String iv) throws Exception {
        KeyWrapper wrapper = token.getKeyWrapper(wrapAlgorithm(algorithm));
        if (algorithm.startsWith("rsa"))
            wrapper.initUnwrap(transport(by), parameter(algorithm, null));
        else
            wrapper.initUnwrap(secrets.get(by), parameter(algorithm, bytes(iv)));
        return wrapper;
    }

    static KeyWrapper wrapper(String by, String algorithm, String iv) throws Exception {
        KeyWrapper wrapper = token.getKeyWrapper(wrapAlgorithm(algorithm));
        if (algorithm.startsWith("rsa"))
            wrapper.initWrap(publicKey(by), parameter(algorithm, null));
        else
            wrapper.initWrap(secrets.get(by), parameter(algorithm, bytes(iv)));
        return wrapper;
    }

    static byte[] join(List<byte[]> parts) {
        int length = 0;
        for (byte[] part : parts)
            length += part.length;
        byte[] all = new byte[length];
        length = 0;
        for (byte[] part : parts) {
            System.arraycopy(part, 0, all, length, part.length);
            length += part.length;
        }
        return all;
    }

    static byte[] cipher(String key, String algorithm, String iv, byte[] data, int part, boolean encrypts) throws Exception {
        EncryptionAlgorithm which = algorithm.equals("des3_ecb") ? EncryptionAlgorithm.DES3_ECB
                : algorithm.equals("aes_cbc_pad") ? EncryptionAlgorithm.AES_CBC_PAD : EncryptionAlgorithm.AES_128_CBC;
        Cipher cipher = token.getCipherContext(which);
        AlgorithmParameterSpec parameter = iv.equals("-") ? null : new IVParameterSpec(bytes(iv));
        List<byte[]> out = new ArrayList<>();
        if (encrypts)
            cipher.initEncrypt(secrets.get(key), parameter);
        else
            cipher.initDecrypt(secrets.get(key), parameter);
        int at = 0;
        for (; at + part < data.length; at += part)
            out.add(cipher.update(data, at, part));
        out.add(cipher.doFinal(data, at, data.length - at));
        return join(out);
    }

    static byte[] generate(String name, String algorithm, int bits, boolean temporary) throws Exception {
        KeyGenerator generator = token.getKeyGenerator(algorithm.equals("aes") ? KeyGenAlgorithm.AES : KeyGenAlgorithm.DES3);
        generator.temporaryKeys(temporary);
        if (bits > 0)
            generator.initialize(bits);
        SymmetricKey key = generator.generate();
        if (!temporary)
            key.setNickName(name);
        secrets.put(name, key);
        return null;
    }

    static byte[] pair(String name, String kind) throws Exception {
        KeyPairGenerator generator = token.getKeyPairGenerator(kind.equals("rsa") ? KeyPairAlgorithm.RSA : KeyPairAlgorithm.EC);
        generator.temporaryPairs(true);
        generator.sensitivePairs(true);
        generator.extractablePairs(true);
        if (kind.equals("rsa"))
            generator.initialize(2048);
        else
            generator.initialize(generator.getCurveCodeByName("nistp256"));
        java.security.KeyPair pair = generator.genKeyPair();
        privates.put(name, (PrivateKey) pair.getPrivate());
        return pair.getPublic().getEncoded();
    }

    // Of the keys of a card that a master key gives. No key set and no other KDF than that of SCP01.
    static byte[] card(String what, String master, byte[] card, byte[] one, byte[] other) throws Exception {
        String t = token.getName();
        byte[] info = {2, 1}, none = new byte[16];
        byte old = 0x7f;
        switch (what) {
        case "data":
            return SessionKey.EncryptData(t, master, one, info, old, false, card, card, none, "false", "defKeySet");
        case "cryptogram":
            return SessionKey.ComputeCryptogram(t, master, one, other, info, old, false, card, card, 0, none, "false", "defKeySet");
        default:
            PK11SymKey kek = SessionKey.ComputeKekKey(t, master, one, other, info, old, false, card, card, none, "false", "defKeySet");
            PK11SymKey made = SessionKey.GenerateSymkey(t);
            secrets.put("made", made);
            return SessionKey.ECBencrypt(kek, made);
        }
    }

    static byte[] call(String[] w) throws Exception {
        switch (w[0]) {
        case "generate": // NAME TYPE BITS
            return generate(w[1], w[2], Integer.parseInt(w[3]), true);
        case "master": // NAME
            return generate(w[1], "des3", 0, false);
        case "pair": // NAME TYPE
            return pair(w[1], w[2]);
        case "unwrap": // NAME BY ALGORITHM IV WRAPPED USAGE LENGTH
            secrets.put(w[1], unwrapper(w[2], w[3], w[4]).unwrapSymmetric(
                    bytes(w[5]), SymmetricKey.AES, SymmetricKey.Usage.valueOf(w[6]), Integer.parseInt(w[7])));
            return null;
        case "unwrap-private": // NAME BY ALGORITHM IV WRAPPED TYPE PUBLIC
            privates.put(w[1], unwrapper(w[2], w[3], w[4]).unwrapTemporaryPrivate(
                    bytes(w[5]), w[6].equals("rsa") ? PrivateKey.RSA : PrivateKey.EC, publicKey(w[7])));
            return null;
        case "wrap": // NAME BY ALGORITHM IV
            return wrapper(w[2], w[3], w[4]).wrap(secrets.get(w[1]));
        case "wrap-private":
            return wrapper(w[2], w[3], w[4]).wrap(privates.get(w[1]));
        case "encrypt": // KEY ALGORITHM IV DATA PART
        case "decrypt":
            return cipher(w[1], w[2], w[3], bytes(w[4]), Integer.parseInt(w[5]), w[0].equals("encrypt"));
        case "masters":
            return SessionKey.ListSymmetricKeys(token.getName()).getBytes();
        case "card": // WHAT MASTER CARD ONE OTHER
            return card(w[1], w[2], bytes(w[3]), bytes(w[4]), bytes(w[5]));
        default:
            throw new Exception("no call " + w[0]);
        }
    }

    public static void main(String[] args) throws Exception {
        InitializationValues values = new InitializationValues(args[0]);
        values.removeSunProvider = false;
        values.installJSSProviderFirst = false;
        CryptoManager.initialize(values);
        manager = CryptoManager.getInstance();
        manager.getInternalKeyStorageToken().login(new Password(args[1].toCharArray()));
        token = manager.getTokenByName(args[2]);
        manager.setThreadToken(token);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            String answer;
            try {
                byte[] made = call(line.split(" "));
                answer = "= " + (made == null ? "" : HexFormat.of().formatHex(made));
            } catch (Exception exception) {
                answer = "= failed " + exception;
            }
            System.out.println(answer);
        }
        Runtime.getRuntime().halt(0);
    }
}
