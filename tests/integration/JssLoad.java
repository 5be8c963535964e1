// SPDX-License-Identifier: MPL-2.0
// JssLoad DATABASE PIN TOKEN THREADS: so many threads of a Java program sign through JSS, as those of Certificate System do, until the
// input ends. A line ten times a second says how many signatures were made; each is verified by Java's own providers. Status 0: all were good.
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.mozilla.jss.CryptoManager;
import org.mozilla.jss.InitializationValues;
import org.mozilla.jss.crypto.CryptoToken;
import org.mozilla.jss.crypto.PrivateKey;
import org.mozilla.jss.crypto.Signature;
import org.mozilla.jss.crypto.SignatureAlgorithm;
import org.mozilla.jss.crypto.X509Certificate;
import org.mozilla.jss.util.Password;

public class JssLoad {
    static final AtomicLong made = new AtomicLong();
    static final ConcurrentLinkedQueue<String> wrong = new ConcurrentLinkedQueue<>();
    static volatile boolean enough;

    static void signOnce(CryptoToken token, PrivateKey key, PublicKey open, boolean rsa, long turn) throws Exception {
        byte[] message = Long.toString(turn).getBytes();
        Signature signer = token.getSignatureContext(
                rsa ? SignatureAlgorithm.RSASignatureWithSHA256Digest : SignatureAlgorithm.ECSignatureWithSHA256Digest);
        signer.initSign(key);
        signer.update(message);
        byte[] signature = signer.sign();
        java.security.Signature judge = java.security.Signature.getInstance(rsa ? "SHA256withRSA" : "SHA256withECDSA",
                rsa ? "SunRsaSign" : "SunEC");
        judge.initVerify(open);
        judge.update(message);
        if (!judge.verify(signature))
            throw new Exception("a signature is wrong");
    }

    static void run(CryptoManager manager, CryptoToken token, PrivateKey key, PublicKey open, boolean rsa) {
        try {
            manager.setThreadToken(token);
            for (long turn = 0; !enough; turn++) {
                signOnce(token, key, open, rsa, turn);
                made.incrementAndGet();
            }
        } catch (Throwable failure) {
            wrong.add(failure.toString());
        }
    }

    public static void main(String[] arguments) throws Exception {
        InitializationValues values = new InitializationValues(arguments[0]);
        values.removeSunProvider = false;
        values.installJSSProviderFirst = false;
        CryptoManager.initialize(values);
        CryptoManager manager = CryptoManager.getInstance();
        manager.getInternalKeyStorageToken().login(new Password(arguments[1].toCharArray()));
        CryptoToken token = manager.getTokenByName(arguments[2]);
        Thread[] threads = new Thread[Integer.parseInt(arguments[3])];
        PrivateKey[] keys = new PrivateKey[2];
        PublicKey[] open = new PublicKey[2];
        for (int kind = 0; kind < 2; kind++) {
            X509Certificate certificate = manager.findCertByNickname(arguments[2] + (kind == 1 ? ":rsa" : ":ec"));
            keys[kind] = manager.findPrivKeyByCert(certificate);
            open[kind] = KeyFactory.getInstance(kind == 1 ? "RSA" : "EC", kind == 1 ? "SunRsaSign" : "SunEC")
                    .generatePublic(new X509EncodedKeySpec(certificate.getPublicKey().getEncoded()));
        }
        for (int i = 0; i < threads.length; i++) {
            int kind = i % 4 == 0 ? 1 : 0;
            threads[i] = new Thread(() -> run(manager, token, keys[kind], open[kind], kind == 1));
            threads[i].setDaemon(true); // what ends this thread ends all
        }
        for (Thread thread : threads)
            thread.start();
        Thread end = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                }
            } catch (java.io.IOException failure) {
                wrong.add(failure.toString());
            }
            enough = true;
        });
        end.setDaemon(true);
        end.start();
        while (!enough && wrong.isEmpty()) {
            System.out.println(made.get());
            System.out.flush();
            Thread.sleep(100);
        }
        enough = true;
        for (Thread thread : threads)
            thread.join();
        for (String line : wrong)
            System.out.println(line);
        System.out.println(made.get() + " made, " + wrong.size() + " failed");
        System.exit(wrong.isEmpty() ? 0 : 1);
    }
}
