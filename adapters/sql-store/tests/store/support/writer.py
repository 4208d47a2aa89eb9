"""The writers of the old system, line by line as they are: an add and a process function over pymysql."""

import sys

import pymysql

host, port, user, password_file, database, action = sys.argv[1:7]
with open(password_file) as file:
    password = file.read().strip()
connection = pymysql.connect(host=host, port=int(port), user=user, password=password, database=database)

try:
    with connection.cursor() as cursor:
        if action == "add":
            sql = "INSERT INTO tasks (title, description, status) VALUES (%s, %s, 'Pending')"
            cursor.execute(sql, (sys.argv[7], sys.argv[8]))
            connection.commit()
            print(cursor.lastrowid)
        elif action == "set":
            cursor.execute("UPDATE tasks SET status=%s WHERE id=%s", (sys.argv[8], int(sys.argv[7])))
            connection.commit()
            print(cursor.rowcount)
        elif action == "list":
            cursor.execute("SELECT id, title, description, status FROM tasks ORDER BY id")
            for row in cursor.fetchall():
                print("|".join(str(cell) for cell in row))
        elif action == "flood":
            # Adds until told to stop, as a busy function does while somebody migrates.
            count = 0
            print("ready", flush=True)
            import select
            while not select.select([sys.stdin], [], [], 0)[0]:
                cursor.execute("INSERT INTO tasks (title, description, status) VALUES (%s, %s, 'Pending')", ("f", str(count)))
                connection.commit()
                count += 1
            print(count)
finally:
    connection.close()
