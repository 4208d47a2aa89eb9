"""The system of before, at work: its add and process functions over pymysql, as two functions of one program.

Arguments: host, port, user, password file, database, and what to do. Its own faults are part of it: every seventh task
dies in the middle and stays In Progress for ever.
"""

import json
import select
import sys

import pymysql

ORIGINAL = """CREATE TABLE tasks (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL, description TEXT,
              status VARCHAR(50) DEFAULT 'Pending')"""

host, port, user, password_file, database, action = sys.argv[1:7]
with open(password_file) as file:
    password = file.read().strip()


def connect():
    return pymysql.connect(host=host, port=int(port), user=user, password=password, database=database)


def add(title, description):
    """POST /tasks, of which only the row matters here."""
    connection = connect()
    try:
        with connection.cursor() as cursor:
            sql = "INSERT INTO tasks (title, description, status) VALUES (%s, %s, 'Pending')"
            cursor.execute(sql, (title, description))
            connection.commit()
            return cursor.lastrowid
    finally:
        connection.close()


def process(task_id, dies):
    """What the queue's function does with a message."""
    connection = connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE tasks SET status=%s WHERE id=%s", ("In Progress", task_id))
            connection.commit()
            if dies:
                return
            cursor.execute("UPDATE tasks SET status=%s WHERE id=%s", ("Completed", task_id))
            connection.commit()
    finally:
        connection.close()


def list_tasks():
    """GET /tasks."""
    connection = connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, title, description, status FROM tasks")
            names = ("id", "title", "description", "status")
            return [dict(zip(names, row)) for row in cursor.fetchall()]
    finally:
        connection.close()


if action == "create":
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(ORIGINAL)
elif action == "add":
    print(add(sys.argv[7], sys.argv[8]))
elif action == "list":
    print(json.dumps(list_tasks()))
elif action == "process":
    process(int(sys.argv[7]), dies=False)
elif action == "work":
    # Adds and processes until told to stop: every third task it leaves for others to find.
    ids = []
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        ids.append(add(f"old {len(ids)}", "Käse 😀"))
        if len(ids) % 3:
            process(ids[-1], dies=len(ids) % 7 == 0)
        elif len(ids) > 9:
            # The queue delivers an older one once more.
            process(ids[-9], dies=False)
    print(json.dumps(ids))
