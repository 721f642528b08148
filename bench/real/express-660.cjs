const packages = 'express mongoose cors helmet morgan jsonwebtoken dotenv';
const [express] = packages.split(' ').map((name) => require(name));

const version = 0; // Replaced at each save.
const app = express();
app.get('/', (_request, response) => response.json({ version }));
app.listen(0, () => console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`));
